// The operations between the linears, on matrices in device memory. T is the activation type, F16 or BF16.
#pragma once

#include <cstdint>

#include "backend/cuda/device/context.h"
#include "backend/decode_runner.h"
#include "backend/matrix.h"

namespace gptq::cuda {

// Any of F32, F16, BF16, U8, I32 to and from contiguous fp32 in device memory.
void convert_from_float(Context& context, MatrixView to, const float* from);
void convert_to_float(Context& context, float* to, MatrixView from);

void embed(Context& context, MatrixView out, const int32_t* ids, MatrixView table);  // out F32   table T [V, E]
void rms_norm(Context& context, MatrixView out, MatrixView x, MatrixView weight, float eps);
// rms_norm of the residual stream, x F32 [M, K], for the linear behind it: out T [M, K], in the order of its positions
// where `inverse_perm` [K] is given. `dependent` as in launch_kernel. For K up to kMostNormed, a multiple of 4.
inline constexpr int64_t kMostNormed = 16384;
void norm_inputs(Context& context, MatrixView out, MatrixView x, const float* weight, float eps,
                 const uint16_t* inverse_perm, bool dependent);
void rope(Context& context, MatrixView x, int head_dim, MatrixView cos, MatrixView sin);
void silu_multiply(Context& context, MatrixView out, MatrixView gate_up);
void add(Context& context, MatrixView x, MatrixView y);            // x F32, y F32 or T
void add_bias(Context& context, MatrixView y, const float* bias);  // to every row   [N]
void append(Context& context, MatrixView cache, MatrixView rows, const PageTable& pages, int64_t past);
void cross_entropy(Context& context, float* losses, MatrixView logits, const int32_t* targets);
void find_non_finite(Context& context, float* found, MatrixView x);  // sets *found, in device memory, to 1

}  // namespace gptq::cuda
