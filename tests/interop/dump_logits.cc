// Writes our logits of a token sequence as safetensors, for comparison with other tools; needs no tokenizer.
#include <cstdio>

#include <gptq/error.h>

#include "backend/cpu/cpu_backend.h"
#include "core/file.h"
#include "core/json.h"
#include "model/model.h"
#include "tests/model/cached_sequence.h"

// dump_logits MODEL_DIR IDS.json OUT.safetensors: `logits` F32 [T, V]
int main(int argc, char** argv) {
  using namespace gptq;
  using namespace gptq::checkpoint;
  using namespace gptq::model;
  using namespace gptq::backend;
  if (argc != 4) return std::fputs("usage: dump_logits MODEL_DIR IDS.json OUT.safetensors\n", stderr), 2;
  try {
    // As exact as the reference: what the 8-bit head costs is measured elsewhere (docs/cpu.md).
    const std::unique_ptr<Backend> backend = make_cpu_backend(0, {.int8_head = false});
    Model model(Checkpoint::open(argv[1]), *backend);
    const auto ids = parse_json(read_file(argv[2]), argv[2]).get<std::vector<int>>();
    const int64_t count = static_cast<int64_t>(ids.size());
    testing::CachedSequences sequence(model, 1, count);
    const std::vector<float> logits = backend->download(sequence.forward(ids, count));
    const TensorView view{
        DType::kF32, {count, model.architecture().vocab_size}, reinterpret_cast<const std::byte*>(logits.data())};
    write_file_atomic(argv[3], safetensors_bytes({{"logits", view}}, {{"format", "pt"}}));
  } catch (const Error& error) {
    std::fprintf(stderr, "dump_logits: %s\n", error.what());
    return error.exit_code();
  }
}
