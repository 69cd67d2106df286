// The kernels of the GPTQ column loop as functions; solve.cu describes their combination.
#pragma once

#include <cstdint>

#include "backend/cuda/device/context.h"
#include "backend/cuda/gptq/grid.cuh"
#include "backend/cuda/gptq/solve_plan.h"

namespace gptq::backend::cuda {

inline constexpr int kSolveRows = 16;         // the number of rows of W is a multiple of this
inline constexpr int kFeedbackColumns = 256;  // longer groups are searched without error feedback

// Columns [begin, begin + columns) of a square matrix.
struct BlockRange {
  int64_t begin;
  int columns;
};

// U_JJ = S_JJ⁻ᵀ of each block, upper triangular, zeros elsewhere                    u [blocks, 128, 128]
void invert_blocks(Context& context, float* u, const float* s, int64_t s_stride, const BlockRange* blocks, int count);

// Scales and zeros of all groups: element (g, n) at g·stride + n.
struct GridMemory {
  float* scales;
  float* zeros;
  int64_t scales_stride, zeros_stride;
};

// The kernels' inputs for a block of columns and rows. Pointers refer to the block's first column and row.
struct StripBlock {
  int64_t rows;  // a multiple of 16
  int columns;
  float* weights;  // [rows, columns]
  int64_t weights_stride;
  const float* shift;  // [rows, columns] updates of the weights from finished columns; null: none
  int64_t shift_stride;
  const float* u;  // [columns, columns] S_JJ⁻ᵀ; may be null without error feedback
  int64_t u_stride;
  const float* s_diagonal;  // 1 / U_jj
  int64_t s_step;
};

// Grids of one group for all rows, from the current weights.
void find_grids(Context& context, const StripBlock& group, const GridRules& rules, float* scales, float* zeros);

// The column loop of one block of at most 128 columns, `u` [128, 128]. Weights are replaced by the dequantized values.
struct ColumnLoop {
  StripBlock block;
  GridRules rules;
  bool search;           // for grids at the start of each group; groups start and end at multiples of 16 columns
  const int32_t* group;  // [columns]
  GridMemory grids;
  float* differences;  // [rows, columns]  original minus dequantized weights
  int64_t differences_stride;
  uint8_t* codes;  // [columns, rows]
  int64_t codes_stride;
};
void run_column_loop(Context& context, const ColumnLoop& loop);

}  // namespace gptq::backend::cuda
