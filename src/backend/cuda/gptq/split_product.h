// Products of fp32 matrices on the tensor cores with the accuracy of fp32.
//
// x = high + low, both with TF32's 11 significant bits, has a relative error of 2^-22. a·b = low·high + high·low +
// high·high, up to low·low ≈ 2^-22 of the product, is one product with three times the terms:
//   left   [low | high | high]  along k         right  [high | low | high]  along k
// The small terms come first, while the accumulator is small. A single TF32 product would change about 1 % of the codes
// that GPTQ chooses; these three change as few as another order of summation.
#pragma once

#include "backend/cuda/device/context.h"
#include "backend/matrix.h"

namespace gptq::backend::cuda {

enum class Side { kLeft, kRight };
enum class TermAxis { kRows, kColumns };  // the axis of a stored operand that the product sums over
enum class Part {
  kAll,
  kHalf,  // the part below the diagonal, half the diagonal, zeros above: x·H·xᵀ = 2·x·half(H)·xᵀ for a symmetric H
};

// One operand in its three parts. Memory: 12 bytes per element.
class SplitOperand {
 public:
  SplitOperand(Context& context, MatrixView x, Side side, TermAxis axis, Part part = Part::kAll);

 private:
  friend void multiply_add(Context& context, MatrixView c, double alpha, const SplitOperand& a, int64_t a_begin,
                           const SplitOperand& b, int64_t b_begin);
  Operand from(int64_t begin, bool transposed) const;

  TermAxis axis_;
  int64_t terms_ = 0, stride_ = 0;
  Buffer memory_;  // [outer, 3·terms] or [3·terms, outer]
};

// c += alpha · a·b with the rows of a from a_begin on and the columns of b from b_begin on        c [m, n] F32
void multiply_add(Context& context, MatrixView c, double alpha, const SplitOperand& a, int64_t a_begin,
                  const SplitOperand& b, int64_t b_begin);

}  // namespace gptq::backend::cuda
