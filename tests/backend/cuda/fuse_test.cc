// The launches of a decode step: what is fused in the programs of known layers, and what stays a launch of its own.
#include "backend/cuda/decode/fuse.h"

#include <gtest/gtest.h>

#include <string>

namespace gptq::backend::cuda {
namespace {

// A program by hand: slots and linear sets of one linear each, or of two halves.
class Layer {
 public:
  explicit Layer(int64_t hidden) { slot(hidden); }

  int slot(int64_t columns) {
    program.slots.push_back({"", columns});
    return static_cast<int>(program.slots.size()) - 1;
  }
  Columns whole(int slot) const { return {slot, 0, program.slots[static_cast<size_t>(slot)].columns}; }
  int linear(int in, int64_t out_features, int linears = 1) {
    LinearSet set;
    for (int i = 0; i < linears; ++i) set.linears.push_back({"", whole(in).count, out_features / linears, false});
    set.in = in;
    set.out = slot(out_features);
    program.linear_sets.push_back(set);
    program.steps.emplace_back(LinearStep{static_cast<int>(program.linear_sets.size()) - 1});
    return set.out;
  }
  int norm(int in, NormKind kind = NormKind::kRms, int bias = kNoParameter) {
    const int out = slot(whole(in).count);
    program.steps.emplace_back(NormStep{whole(in), whole(out), kind, 0, bias, 1e-5f});
    return out;
  }
  int activation(int in, Activation kind, bool gated) {
    const int out = slot(whole(in).count / (gated ? 2 : 1));
    program.steps.emplace_back(ActivationStep{whole(in), whole(out), kind, gated});
    return out;
  }
  void add(int from) { program.steps.emplace_back(AddStep{whole(from)}); }
  // q has 4 heads of 8, k and v 2 each.
  int attention(int qkv, bool head_norms) {
    const Columns q{qkv, 0, 32}, k{qkv, 32, 16}, v{qkv, 48, 16};
    if (head_norms) program.steps.emplace_back(NormStep{q, q, NormKind::kRms, 1, kNoParameter, 1e-6f});
    if (head_norms) program.steps.emplace_back(NormStep{k, k, NormKind::kRms, 2, kNoParameter, 1e-6f});
    for (const Columns& x : {q, k}) program.steps.emplace_back(RopeStep{x, 8, 8});
    const int out = slot(32);
    program.steps.emplace_back(AttentionStep{q, k, v, whole(out), 4, 2, 8});
    return out;
  }

  LayerProgram program;
};

// "linear 0 norm", "attention", "linear 1 residual"… of each launch.
std::vector<std::string> names(const LayerProgram& program) {
  std::vector<std::string> result;
  const auto launches = fuse(program);
  if (!launches) return {"none"};
  for (const DecodeLaunch& launch : *launches) {
    if (const auto* linear = std::get_if<LinearLaunch>(&launch)) {
      result.push_back("linear " + std::to_string(linear->set) + (linear->norm ? " norm" : "") +
                       (linear->gated ? " gated" : "") + (linear->residual ? " residual" : ""));
    } else if (const auto* attention = std::get_if<AttentionLaunch>(&launch)) {
      result.push_back(attention->q_norm ? "attention with norms" : "attention");
    } else {
      result.push_back(std::holds_alternative<NormStep>(launch)         ? "norm"
                       : std::holds_alternative<ActivationStep>(launch) ? "activation"
                                                                        : "add");
    }
  }
  return result;
}

using Names = std::vector<std::string>;

Layer llama(bool head_norms) {
  Layer l(32);
  l.add(l.linear(l.attention(l.linear(l.norm(kResidual), 64), head_norms), 32));
  l.add(l.linear(l.activation(l.linear(l.norm(kResidual), 96, 2), Activation::kSilu, true), 32));
  return l;
}

TEST(Fuse, AllOfLlamasLayer) {
  EXPECT_EQ(names(llama(false).program),
            (Names{"linear 0 norm", "attention", "linear 1 residual", "linear 2 norm gated", "linear 3 residual"}));
  EXPECT_EQ(names(llama(true).program), (Names{"linear 0 norm", "attention with norms", "linear 1 residual",
                                               "linear 2 norm gated", "linear 3 residual"}));
}

TEST(Fuse, NormsBehindLinearsStayAlone) {
  Layer l(32);
  l.add(l.norm(l.linear(l.attention(l.linear(l.norm(kResidual), 64), false), 32)));
  l.add(l.norm(l.linear(l.activation(l.linear(l.norm(kResidual), 96, 2), Activation::kGeluTanh, true), 32)));
  EXPECT_EQ(names(l.program), (Names{"linear 0 norm", "attention", "linear 1", "norm", "add", "linear 2 norm",
                                     "activation", "linear 3", "norm", "add"}));
}

TEST(Fuse, LayerNormsAndBiasesStayAlone) {
  Layer l(32);
  l.linear(l.norm(kResidual, NormKind::kLayer), 64);
  EXPECT_EQ(names(l.program), (Names{"norm", "linear 0"}));
  Layer biased(32);
  biased.linear(biased.norm(kResidual, NormKind::kRms, 3), 64);
  EXPECT_EQ(names(biased.program), (Names{"norm", "linear 0"}));
}

TEST(Fuse, WhatOthersReadIsWritten) {
  Layer two_readers(32);
  const int normed = two_readers.norm(kResidual);
  two_readers.linear(normed, 64);
  two_readers.add(two_readers.linear(normed, 32));
  EXPECT_EQ(names(two_readers.program), (Names{"norm", "linear 0", "linear 1 residual"}));
  Layer kept(32);
  const int out = kept.linear(kept.norm(kResidual), 32);
  kept.add(out);
  kept.add(out);
  EXPECT_EQ(names(kept.program), (Names{"linear 0 norm", "add", "add"}));
}

TEST(Fuse, UnknownNeighboursHaveNoLaunches) {
  Layer l = llama(false);
  std::get<RopeStep>(l.program.steps[3]).rotary_dim = 4;  // k is not rotated like q
  EXPECT_EQ(names(l.program), Names{"none"});
  Layer order = llama(false);
  auto& attention = std::get<AttentionStep>(order.program.steps[4]);
  std::swap(attention.k, attention.v);
  EXPECT_EQ(names(order.program), Names{"none"});
}

}  // namespace
}  // namespace gptq::backend::cuda
