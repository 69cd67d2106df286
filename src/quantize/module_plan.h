// The plan of every linear of the model, from options and per-module rules.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <gptq/quantize.h>

#include "checkpoint/quantize_config.h"
#include "checkpoint/safetensors.h"
#include "model/architecture.h"

namespace gptq::quantization {

// Linears that share an input are solved together and fused by other readers: they have the same settings.
struct SetPlan {
  backend::LinearSet set;
  std::optional<GridOptions> grid;  // nullopt: stays dense
};

struct LayerPlan {
  std::string prefix;         // of its modules' names, "model.layers.3."
  std::vector<SetPlan> sets;  // one for each linear set of the layer's program
};

struct ModelPlan {
  std::vector<LayerPlan> layers;
  GridOptions defaults;  // for modules without a rule, with the chosen group size
  checkpoint::CheckpointFormat format = checkpoint::CheckpointFormat::kGptq;
  std::vector<std::string> notes;  // what was changed or left out, and why

  bool quantizes_anything() const;  // any linear layer of any block
  bool asymmetric() const;          // any linear set uses an asymmetric grid
};

// If no group size is given, the largest of 128, 64 and 32 that divides all inputs is used, with a note unless it is
// 128. Throws Error(kUsage) for options that are out of range, a rule that does not compile, and a given group size
// that does not divide a module's inputs (naming the module and the sizes that do).
ModelPlan plan_modules(const model::Architecture& architecture, const QuantizeOptions& options);

// The configuration to save: defaults, the rules as `dynamic`, skipped modules. Checks that readers obtain the settings
// of the plan from it, including those that fuse linears that share an input and look up the fused name
// ("self_attn.qkv_proj", "mlp.gate_up_proj": vLLM, SGLang).
checkpoint::QuantizeConfig make_quantize_config(const ModelPlan& plan, const QuantizeOptions& options);

}  // namespace gptq::quantization
