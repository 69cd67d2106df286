// Builds a layer program: each call appends a step and returns the activation it writes.
#pragma once

#include <string>
#include <vector>

#include "model/architecture.h"

namespace gptq::model {

struct NormSpec {
  NormKind kind = NormKind::kRms;
  std::string name;  // of the module: "input_layernorm"
  bool bias = false;
  float offset = 0;  // added to the stored weight
  float eps = 1e-6f;
};

class ProgramBuilder {
 public:
  explicit ProgramBuilder(int64_t hidden_size);

  Columns residual() const { return {kResidual, 0, program_.slots[kResidual].columns}; }

  Columns norm(Columns in, const NormSpec& spec);  // of whole rows, into a new slot
  // Of each run of `head_dim` columns, in place.
  void norm_heads(Columns x, int64_t head_dim, const NormSpec& spec);
  // All outputs concatenated in a new slot. `in` is a whole slot.
  Columns linear(const std::string& name, Columns in, std::vector<LinearSpec> linears,
                 std::vector<std::string> fused_names = {});
  void rope(const RopeStep& step) { program_.steps.emplace_back(step); }
  // Into a new slot; `step.out` is set here.
  Columns attention(AttentionStep step);
  Columns activation(Columns in, Activation kind, bool gated);  // into a new slot
  void add(Columns from) { program_.steps.emplace_back(AddStep{from}); }

  // Part of `x`: columns [begin, begin + count) of it.
  static Columns part(Columns x, int64_t begin, int64_t count) { return {x.slot, x.begin + begin, count}; }

  // Assigns buffers to the slots. CHECKs that no AddStep is between a restart step and its linear set: a restarted pass
  // would add twice.
  LayerProgram finish() &&;

 private:
  Columns slot(const std::string& name, int64_t columns);
  int parameter(const std::string& name, int64_t size, float offset);

  LayerProgram program_;
};

}  // namespace gptq::model
