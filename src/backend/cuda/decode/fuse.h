// From the steps of a layer's program to the launches of a decode step: a peephole pass over neighbouring steps.
#pragma once

#include <optional>
#include <variant>
#include <vector>

#include "backend/layer_program.h"

namespace gptq::backend::cuda {

// A linear set with what stands around it.
struct LinearLaunch {
  int set = 0;
  std::optional<NormStep> norm;  // in front: the input is the residual stream
  bool gated = false;            // behind: silu(first) · second of its two linears
  bool residual = false;         // behind: the result is added to the residual stream
  int in = 0, out = 0;           // slots, those of the steps that became part of it included

  bool operator==(const LinearLaunch& other) const {
    return set == other.set && norm.has_value() == other.norm.has_value() && gated == other.gated &&
           residual == other.residual && in == other.in && out == other.out;
  }
};

// Norms of the heads of q and k, their rotation, storing of k and v, and attention.
struct AttentionLaunch {
  AttentionStep attention;
  RopeStep rope;  // of q; k's is the same
  std::optional<NormStep> q_norm, k_norm;
};

// Steps that stay launches of their own are as they were.
using DecodeLaunch = std::variant<LinearLaunch, AttentionLaunch, NormStep, ActivationStep, AddStep>;

// nullopt for a program with a step that has no launch by itself and no known neighbours.
std::optional<std::vector<DecodeLaunch>> fuse(const LayerProgram& program);

}  // namespace gptq::backend::cuda
