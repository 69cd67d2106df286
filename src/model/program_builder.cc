// Slots, parameters, and which slots may share memory.
#include "model/program_builder.h"

#include <algorithm>

#include "core/check.h"

namespace gptq::model {

namespace {

// The steps between which a slot is alive: written by `first`, last read by `last`.
struct Lifetime {
  int first = -1, last = -1;
  bool kept = false;  // alive before some linear set

  bool meets(const Lifetime& other) const { return first <= other.last && other.first <= last; }
};

std::vector<Lifetime> lifetimes(const LayerProgram& program) {
  std::vector<Lifetime> lives(program.slots.size());
  for (int i = 0; i < program.end(); ++i) {
    const backend::Access access = backend::access_of(program, program.steps[static_cast<size_t>(i)]);
    for (const auto* columns : {&access.writes, &access.reads}) {
      for (const Columns& c : *columns) {
        Lifetime& life = lives[static_cast<size_t>(c.slot)];
        if (life.first < 0) life.first = i;
        life.last = i;
      }
    }
  }
  for (int set = 0; set < static_cast<int>(program.linear_sets.size()); ++set) {
    const int at = program.step_of(set);
    for (Lifetime& life : lives) life.kept |= life.first < at && life.last >= at;
  }
  return lives;
}

}  // namespace

ProgramBuilder::ProgramBuilder(int64_t hidden_size) { slot("residual", hidden_size); }

Columns ProgramBuilder::slot(const std::string& name, int64_t columns) {
  program_.slots.push_back({name, columns});
  return {static_cast<int>(program_.slots.size()) - 1, 0, columns};
}

int ProgramBuilder::parameter(const std::string& name, int64_t size, float offset) {
  program_.parameters.push_back({name, size, offset});
  return static_cast<int>(program_.parameters.size()) - 1;
}

Columns ProgramBuilder::norm(Columns in, const NormSpec& spec) {
  const Columns out = slot(spec.name, in.count);
  const int weight = parameter(spec.name + ".weight", in.count, spec.offset);
  const int bias = spec.bias ? parameter(spec.name + ".bias", in.count, 0) : kNoParameter;
  program_.steps.emplace_back(NormStep{in, out, spec.kind, weight, bias, spec.eps});
  return out;
}

void ProgramBuilder::norm_heads(Columns x, int64_t head_dim, const NormSpec& spec) {
  const int weight = parameter(spec.name + ".weight", head_dim, spec.offset);
  const int bias = spec.bias ? parameter(spec.name + ".bias", head_dim, 0) : kNoParameter;
  program_.steps.emplace_back(NormStep{x, x, spec.kind, weight, bias, spec.eps});
}

Columns ProgramBuilder::linear(const std::string& name, Columns in, std::vector<LinearSpec> linears,
                               std::vector<std::string> fused_names) {
  CHECK(in.begin == 0 && in.count == program_.slots[static_cast<size_t>(in.slot)].columns);
  for (const LinearSpec& linear : linears) CHECK(linear.in_features == in.count);
  LinearSet set{name, std::move(linears), std::move(fused_names), in.slot, 0};
  const Columns out = slot(name, set.out_features());
  set.out = out.slot;
  program_.linear_sets.push_back(std::move(set));
  program_.steps.emplace_back(LinearStep{static_cast<int>(program_.linear_sets.size()) - 1});
  return out;
}

Columns ProgramBuilder::attention(AttentionStep step) {
  step.out = slot("attention", int64_t{step.heads} * step.head_dim);
  program_.steps.emplace_back(step);
  return step.out;
}

Columns ProgramBuilder::activation(Columns in, Activation kind, bool gated) {
  const Columns out = slot("activation", gated ? in.count / 2 : in.count);
  program_.steps.emplace_back(ActivationStep{in, out, kind, gated});
  return out;
}

LayerProgram ProgramBuilder::finish() && {
  const std::vector<Lifetime> lives = lifetimes(program_);
  std::vector<std::vector<size_t>> slots_of_buffer;
  for (const bool kept : {true, false}) {
    const size_t begin = slots_of_buffer.size();
    for (size_t s = 1; s < lives.size(); ++s) {
      if (lives[s].kept != kept) continue;
      const auto free = [&](const std::vector<size_t>& others) {
        return std::none_of(others.begin(), others.end(), [&](size_t other) { return lives[s].meets(lives[other]); });
      };
      auto buffer =
          std::find_if(slots_of_buffer.begin() + static_cast<std::ptrdiff_t>(begin), slots_of_buffer.end(), free);
      if (buffer == slots_of_buffer.end()) buffer = slots_of_buffer.insert(buffer, {{}});
      buffer->push_back(s);
      program_.slots[s].buffer = static_cast<int>(buffer - slots_of_buffer.begin());
    }
    if (kept) program_.kept_buffers = static_cast<int>(slots_of_buffer.size());
  }
  for (const std::vector<size_t>& slots : slots_of_buffer) {
    int64_t columns = 0;
    for (const size_t s : slots) columns = std::max(columns, program_.slots[s].columns);
    program_.buffers.push_back(columns);
  }
  // The residual stream must not change between a restart step and its linear set.
  for (int set = 0; set < static_cast<int>(program_.linear_sets.size()); ++set) {
    for (int i = program_.restart_before(set); i < program_.step_of(set); ++i) {
      CHECK(!std::holds_alternative<AddStep>(program_.steps[static_cast<size_t>(i)]));
    }
  }
  return std::move(program_);
}

}  // namespace gptq::model
