// Fuzzes the quantization config: every input is refused, or means the same after writing and reading again.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <gptq/error.h>

#include "checkpoint/quantize_config.h"
#include "core/json.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace gptq;
  using namespace gptq::checkpoint;
  try {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const QuantizeConfig config = parse_quantize_config(parse_ordered_json(text, "input"), "input");
    const OrderedJson written = to_json(config);
    const QuantizeConfig again = parse_quantize_config(parse_ordered_json(written.dump(), "again"), "again");
    if (to_json(again) != written) __builtin_trap();
    config.quantizer();
    config.settings_for("model.layers.0.mlp.down_proj");
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kVerification) __builtin_trap();
  }
  return 0;
}
