// Loading a model and running it over a cached sequence.
#include "model/model.h"

#include "model/eager_runner.h"
#include "model/families.h"

namespace gptq {

Model::Model(const Checkpoint& checkpoint, Backend& backend, int threads)
    : backend_(backend),
      architecture_(read_architecture(checkpoint.config(), (checkpoint.folder() / "config.json").string())),
      weights_(load_weights(checkpoint, architecture_, backend, threads)),
      decoder_(architecture_, backend) {}

KvCache Model::make_cache(int64_t sequences, int64_t capacity) const {
  return {architecture_, backend_, sequences, capacity};
}

MatrixView Model::forward(std::span<const int> tokens, int64_t wanted, KvCache& cache, int64_t sequence) {
  Activations& x = activations_;
  decoder_.embed(x, tokens, 1, *weights_.embedding);
  for (int64_t i = 0; i < architecture_.layers; ++i) {
    decoder_.layer(weights_.layers[static_cast<size_t>(i)], i, x, &cache, sequence);
  }
  cache.set_length(sequence, cache.length(sequence) + x.length);
  return decoder_.logits(weights_, x, x.length - wanted, wanted);
}

std::unique_ptr<DecodeRunner> Model::make_decode_runner(KvCache& cache, int vocabulary) {
  if (std::unique_ptr<DecodeRunner> step = decoder_.make_decode_runner(weights_, cache, vocabulary)) return step;
  return std::make_unique<EagerRunner>(*this, cache, backend_, vocabulary);
}

int64_t Model::weight_bytes() const {
  int64_t bytes = weights_.head_or_embedding().bytes();
  for (const LayerWeights& layer : weights_.layers) {
    for (const Linears& group : layer.groups) {
      for (const auto& weight : group) bytes += weight->bytes();
    }
  }
  return bytes;
}

}  // namespace gptq
