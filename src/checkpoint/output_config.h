// The config.json of a checkpoint we write: the source's, in words that readers of both generations understand.
#pragma once

#include "checkpoint/quantize_config.h"
#include "core/json_fwd.h"

namespace gptq::checkpoint {

// The source's keys in the source's order, with `config` as "quantization_config". What transformers 5 writes under new
// names is there under the old ones too, which transformers 4 and what is built on it read: "rope_parameters" as
// "rope_theta", "rope_scaling" and "partial_rotary_factor", "dtype" as "torch_dtype". "auto_map" is left out: it points
// to Python files that are not copied, and every family we quantize is known to its readers.
OrderedJson output_config(const OrderedJson& source, const QuantizeConfig& config);

}  // namespace gptq::checkpoint
