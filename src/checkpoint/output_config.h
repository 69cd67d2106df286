// The config.json of a written checkpoint: the source's, readable by transformers 4 and 5.
#pragma once

#include "checkpoint/quantize_config.h"
#include "core/json_fwd.h"

namespace gptq::checkpoint {

// The source's keys in their order, with `config` as "quantization_config". Keys that transformers 5 renamed are also
// written under their old names, for transformers 4 and programs based on it: "rope_parameters" as "rope_theta",
// "rope_scaling" and "partial_rotary_factor", "dtype" as "torch_dtype". "auto_map" is omitted: it refers to Python
// files that are not copied, and all supported families are known to readers.
OrderedJson output_config(const OrderedJson& source, const QuantizeConfig& config);

}  // namespace gptq::checkpoint
