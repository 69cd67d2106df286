// Properties of a program derived from the reads and writes of its steps.
#include "backend/layer_program.h"

#include "core/check.h"

namespace gptq::backend {

int64_t LinearSet::out_features() const {
  int64_t sum = 0;
  for (const LinearSpec& linear : linears) sum += linear.out_features;
  return sum;
}

int LayerProgram::step_of(int set) const {
  for (int i = 0; i < end(); ++i) {
    const auto* linear = std::get_if<LinearStep>(&steps[static_cast<size_t>(i)]);
    if (linear != nullptr && linear->set == set) return i;
  }
  CHECK(false);
  return 0;
}

int LayerProgram::first_set_from(int step) const {
  int set = 0;
  while (step_of(set) < step) ++set;
  return set;
}

const AttentionStep& LayerProgram::attention() const {
  for (const LayerStep& step : steps) {
    if (const auto* attention = std::get_if<AttentionStep>(&step)) return *attention;
  }
  CHECK(false);
  return std::get<AttentionStep>(steps.front());
}

Access access_of(const LayerProgram& program, const LayerStep& step) {
  const auto whole = [&](int slot) { return Columns{slot, 0, program.slots[static_cast<size_t>(slot)].columns}; };
  struct Visitor {
    const LayerProgram& program;
    const decltype(whole)& all;
    Access operator()(const NormStep& s) const { return {{s.in}, {s.out}}; }
    Access operator()(const LinearStep& s) const {
      const LinearSet& set = program.linear_sets[static_cast<size_t>(s.set)];
      return {{all(set.in)}, {all(set.out)}};
    }
    Access operator()(const RopeStep& s) const { return {{s.x}, {s.x}}; }
    Access operator()(const AttentionStep& s) const { return {{s.q, s.k, s.v}, {s.out}}; }
    Access operator()(const ActivationStep& s) const { return {{s.in}, {s.out}}; }
    Access operator()(const AddStep& s) const { return {{s.from, all(kResidual)}, {all(kResidual)}}; }
  };
  return std::visit(Visitor{program, whole}, step);
}

int LayerProgram::restart_before(int set) const {
  const int last = step_of(set);
  for (int start = last; start > 0; --start) {
    bool free = true;  // all slots read from here on, except the residual stream, are written from here on
    std::vector<bool> written(slots.size());
    for (int i = start; free && i < end(); ++i) {
      const Access access = access_of(*this, steps[static_cast<size_t>(i)]);
      for (const Columns& read : access.reads) {
        free = free && (read.slot == kResidual || written[static_cast<size_t>(read.slot)]);
      }
      for (const Columns& write : access.writes) written[static_cast<size_t>(write.slot)] = true;
    }
    if (free) return start;
  }
  return 0;
}

}  // namespace gptq::backend
