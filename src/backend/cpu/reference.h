// The truth: every operation as plain loops, in double where a sum could hide an error. Slow on purpose.
#pragma once

#include <span>
#include <vector>

#include "backend/backend.h"
#include "core/packed_weight.h"

namespace gptq::reference {

// The dense matrix a packed weight stands for                                     [N, K]
std::vector<float> dequantize(const PackedWeight& weight);

// y = x · Wᵀ + bias                     x [M, K]   w [N, K]   bias [N] or empty    y [M, N]
void linear(MatrixView y, MatrixView x, std::span<const float> w, std::span<const float> bias);
void rms_norm(MatrixView out, MatrixView x, std::span<const float> weight, float eps);
void rope(MatrixView x, int head_dim, MatrixView cos, MatrixView sin);
void attention(MatrixView out, const AttentionArgs& args);
void silu_multiply(MatrixView out, MatrixView gate_up);
std::vector<float> cross_entropy(MatrixView logits, std::span<const int> targets);
void accumulate_hessian(MatrixView h, MatrixView x);

}  // namespace gptq::reference
