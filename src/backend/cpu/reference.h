// Reference implementations of the model operations (backend/model_ops.h): plain loops, sums in double.
#pragma once

#include <span>
#include <vector>

#include "backend/backend.h"
#include "core/packed_weight.h"

namespace gptq::backend::reference {

// The dense matrix of a packed weight                                             [N, K]
std::vector<float> dequantize(const PackedWeight& weight);

// y = x · Wᵀ + bias                     x [M, K]   w [N, K]   bias [N] or empty    y [M, N]
void linear(MatrixView y, MatrixView x, std::span<const float> w, std::span<const float> bias);
void norm(MatrixView out, MatrixView x, NormKind kind, std::span<const float> weight, std::span<const float> bias,
          float eps);
void rope(MatrixView x, const RopeArgs& args, std::span<const int32_t> positions);
// `keys` and `values` are contiguous for each sequence, all its positions from 0 on: no pages.
void attention(MatrixView out, const AttentionArgs& args, std::span<const int32_t> row_starts,
               std::span<const int32_t> past);
double activation(Activation kind, double x);
void activate(MatrixView out, MatrixView x, Activation kind, bool gated);
void soft_cap(MatrixView x, float cap);
std::vector<float> cross_entropy(MatrixView logits, std::span<const int> targets);

}  // namespace gptq::backend::reference
