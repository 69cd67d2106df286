// Scratch memory of the GPTQ operations on a GPU. Plain C++, so that memory plans can be made and tested without a GPU.
#pragma once

#include <algorithm>
#include <cstdint>

#include "backend/gptq_ops.h"

namespace gptq::backend::cuda {

inline constexpr int64_t kStripBytes = int64_t{1} << 30;  // maximum of the rows of W processed at a time
inline constexpr int kSolveColumns = 128;                 // maximum of a block of the column loop
inline constexpr int64_t kOuterColumns = 1024;            // columns or terms of one split product (split_product.h)
inline constexpr int64_t kSolveBlock = 512;               // GPTAQ's factor has a multiple of that many rows
inline constexpr int64_t kGptaqRows = 8192;               // rows of W updated by GPTAQ's target at a time
inline constexpr int64_t kSplitBytes = 12;                // of an element of a split operand

// Maximum bytes for N rows of K columns.
inline int64_t scratch_bytes(GptqOp op, int64_t n, int64_t k) {
  constexpr int64_t kFloat = 4;
  const int64_t strip = std::min(n * k * kFloat, kStripBytes);
  switch (op) {
    case GptqOp::kRowQuadraticForms:  // a strip of W·H, split operands of a product
      return strip + kSplitBytes * kOuterColumns * (std::min(n, strip / k / kFloat) + k);
    case GptqOp::kSolveColumns: {  // a strip of W with its pending updates, split operands, two blocks of the factor
      const int64_t row = (k + 4 * kOuterColumns + kSolveBlock) * kFloat;
      return std::min(n * row, kStripBytes) + kSplitBytes * kOuterColumns * k + int64_t{2} * kSolveColumns * k * kFloat;
    }
    default: {  // kGptaqTarget: the padded factor, a solution for W or H, whichever has fewer rows
      const int64_t padded = (k + kSolveBlock - 1) / kSolveBlock * kSolveBlock;
      const bool few = n < k;
      const int64_t solution = (few ? n : k) * padded * kFloat;
      const int64_t product = few ? 0 : std::min(n, kGptaqRows) * k * kFloat;
      const int64_t split =
          kSplitBytes * kOuterColumns * (std::min(n, few ? n : kGptaqRows) + k) + 3 * kSolveBlock * padded * kFloat;
      return padded * padded * kFloat + solution + product + split;
    }
  }
}

}  // namespace gptq::backend::cuda
