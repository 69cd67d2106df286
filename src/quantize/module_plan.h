// Which modules become what: options and per-module rules resolved for every linear of the model.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <gptq/quantize.h>

#include "checkpoint/quantize_config.h"
#include "checkpoint/safetensors.h"
#include "model/architecture.h"

namespace gptq::quantization {

// Linears that share an input are solved together and fused by other readers: they always agree.
struct SetPlan {
  backend::LinearSet set;
  std::optional<GridOptions> grid;  // nullopt: stays dense
};

struct LayerPlan {
  std::string prefix;         // of its modules' names: "model.layers.3."
  std::vector<SetPlan> sets;  // one for each linear set of the layer's program
};

struct ModelPlan {
  std::vector<LayerPlan> layers;
  GridOptions defaults;  // of modules without a rule, the group size chosen
  checkpoint::CheckpointFormat format = checkpoint::CheckpointFormat::kGptq;
  std::vector<std::string> notes;  // what was changed or left out, and why

  bool quantizes_anything() const;  // any linear layer of any block
  bool asymmetric() const;          // any linear set uses an asymmetric grid
};

// Where no group size is given, 128 or the largest of 64 and 32 that divides all inputs is taken, with a note. Throws
// Error(kUsage) for options that are out of range, a rule that does not compile, and a given group size that does not
// divide a module's inputs (naming the module and the sizes that do).
ModelPlan plan_modules(const model::Architecture& architecture, const QuantizeOptions& options);

// The configuration to save: defaults, the rules in the `dynamic` form others read, skipped modules. Checks that
// a reader that follows it finds the settings the plan used, also one that fuses linears which share an input and asks
// for the fused name ("self_attn.qkv_proj", "mlp.gate_up_proj": vLLM, SGLang).
checkpoint::QuantizeConfig make_quantize_config(const ModelPlan& plan, const QuantizeOptions& options);

}  // namespace gptq::quantization
