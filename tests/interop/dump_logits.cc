// Writes our logits of a token sequence as safetensors, for comparison with other tools.
#include <gptq/gptq.h>

#include <cstdio>

#include "checkpoint/safetensors.h"
#include "core/file.h"
#include "core/json.h"

// dump_logits MODEL_DIR IDS.json OUT.safetensors: `logits` F32 [T, V]
int main(int argc, char** argv) {
  if (argc != 4) return std::fputs("usage: dump_logits MODEL_DIR IDS.json OUT.safetensors\n", stderr), 2;
  try {
    gptq::Engine engine = gptq::Engine::open(argv[1]);
    const auto ids = gptq::parse_json(gptq::read_file(argv[2]), argv[2]).get<std::vector<int>>();
    const std::vector<float> logits = engine.logits(ids);
    const gptq::TensorView view{gptq::DType::kF32,
                                {static_cast<int64_t>(ids.size()), engine.vocab_size()},
                                reinterpret_cast<const std::byte*>(logits.data())};
    gptq::write_file_atomic(argv[3], gptq::safetensors_bytes({{"logits", view}}, {{"format", "pt"}}));
  } catch (const gptq::Error& error) {
    std::fprintf(stderr, "dump_logits: %s\n", error.what());
    return error.exit_code();
  }
}
