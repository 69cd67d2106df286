// From the steps of a layer's program to the launches of a decode step: a peephole pass over consecutive steps.
#pragma once

#include <optional>
#include <variant>
#include <vector>

#include "backend/layer_program.h"

namespace gptq::backend::cuda {

// A linear set with fused steps.
struct LinearLaunch {
  int set = 0;
  std::optional<NormStep> norm;  // before: the input is the residual stream
  bool gated = false;            // after: silu(first) · second of its two linears
  bool residual = false;         // after: the result is added to the residual stream
  int in = 0, out = 0;           // slots, including those of the fused steps

  bool operator==(const LinearLaunch& other) const {
    return set == other.set && norm.has_value() == other.norm.has_value() && gated == other.gated &&
           residual == other.residual && in == other.in && out == other.out;
  }
};

// Norms of the heads of q and k, their rotation, storing of k and v, and attention.
struct AttentionLaunch {
  AttentionStep attention;
  RopeStep rope;  // of q; the same for k
  std::optional<NormStep> q_norm, k_norm;
};

// Steps that are not fused are launches themselves.
using DecodeLaunch = std::variant<LinearLaunch, AttentionLaunch, NormStep, ActivationStep, AddStep>;

// nullopt for a program with a step that is neither a launch nor part of a known pattern.
std::optional<std::vector<DecodeLaunch>> fuse(const LayerProgram& program);

}  // namespace gptq::backend::cuda
