// Loading a model and running batches of cached sequences.
#include "model/model.h"

#include "model/eager_runner.h"
#include "model/families.h"

namespace gptq::model {

Model::Model(const Checkpoint& checkpoint, Backend& backend, int threads)
    : backend_(backend),
      architecture_(read_architecture(checkpoint.config(), (checkpoint.folder() / "config.json").string())),
      weights_(load_weights(checkpoint, architecture_, backend, threads)),
      transformer_(architecture_, backend) {}

MatrixView Model::forward(Batch& batch, std::span<const int> rows, const KvCache& cache) {
  // If angles depend on the length, all positions use the same length.
  CHECK(batch.sequences() == 1 || !architecture_.depends_on_length());
  batch.upload(backend_);
  Activations& x = activations_;
  transformer_.embed(x, batch.tokens(), *weights_.embedding);
  for (int64_t i = 0; i < architecture_.layers; ++i) {
    transformer_.run_layer(i, weights_.layers[static_cast<size_t>(i)], x, batch.rows(), &cache);
  }
  return transformer_.logits(weights_, x, rows);
}

std::unique_ptr<DecodeRunner> Model::make_decode_runner(const KvCache& cache, int64_t sequences, int64_t positions,
                                                        int vocabulary) {
  auto runner = transformer_.make_decode_runner(weights_, cache, sequences, positions, vocabulary);
  if (runner) return runner;
  return std::make_unique<EagerRunner>(*this, cache, backend_, vocabulary);
}

int64_t Model::weight_bytes() const {
  int64_t bytes = weights_.head_or_embedding().bytes();
  for (const LayerWeights& layer : weights_.layers) {
    for (const Linears& set : layer.linear_sets) {
      for (const auto& weight : set) bytes += weight->bytes();
    }
  }
  return bytes;
}

}  // namespace gptq::model
