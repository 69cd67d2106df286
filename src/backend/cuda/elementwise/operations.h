// The operations between the linears, on matrices in device memory. T is the activation type, F16 or BF16.
#pragma once

#include <cstdint>

#include "backend/cuda/device/context.h"
#include "backend/matrix.h"
#include "backend/model_ops.h"

namespace gptq::backend::cuda {

// Any of F32, F16, BF16, U8, I32 to and from contiguous fp32 in device memory.
void convert_from_float(Context& context, MatrixView to, const float* from);
void convert_to_float(Context& context, float* to, MatrixView from);

void embed(Context& context, MatrixView out, const int32_t* ids, MatrixView table);  // out F32   table T or F32 [V, E]
void norm(Context& context, MatrixView out, MatrixView x, NormKind kind, MatrixView weight, MatrixView bias, float eps);
// RMS norm of the residual stream, x F32 [M, K], as input of a linear: out T [M, K], in the order of the linear's
// positions if `inverse_perm` [K] is given. `dependent` as in launch_kernel. K ≤ kMaxNormed, a multiple of 4.
inline constexpr int64_t kMaxNormed = 16384;
void norm_inputs(Context& context, MatrixView out, MatrixView x, const float* weight, float eps,
                 const uint16_t* inverse_perm, bool dependent);
void rope(Context& context, MatrixView x, const RopeArgs& args, const int32_t* positions);
void activate(Context& context, MatrixView out, MatrixView x, Activation kind, bool gated);
void add(Context& context, MatrixView x, MatrixView y);            // x F32, y F32 or T
void add_bias(Context& context, MatrixView y, const float* bias);  // to every row   [N]
void scale(Context& context, MatrixView x, float factor);          // F32
void soft_cap(Context& context, MatrixView x, float cap);          // F32
void append(Context& context, MatrixView cache, MatrixView x, const BatchRows& rows);
void cross_entropy(Context& context, float* losses, MatrixView logits, const int32_t* targets);
void find_non_finite(Context& context, float* flag, MatrixView x);  // sets *flag, in device memory, to 1

}  // namespace gptq::backend::cuda
