// The GPTQ column loop of one block of 128 columns: grid search, rounding, error feedback, for all rows at once.
//
//   in      weights W and the updates from finished columns [N, 128]; U_JJ = S_JJ⁻ᵀ [128, 128]
//   out     codes [128, N], dequantized weights Q (in place of W), D = W − Q [N, 128], grids of groups that start here
//   work    a block of 128 threads processes 16 rows and keeps U_JJ and the rows' state in shared memory. Four lanes (a
//           quad) hold one row: lane l columns 16·m + 4·l … + 3 of each micro-block m of 16, in registers. A column's
//           value is shuffled from its owner, rounded, and its error subtracted from later columns by four lanes
//   search  a quad tries four candidates on copies of one row, so that each element of U is loaded once for four
//           multiply-adds, and lane l rounds for candidate l. Micro-blocks are a loop in which registers move up by one
//           position, so that the code fits in the instruction cache. 25 candidates of 128 columns: 2·10^5
//           multiply-adds per row, nearly all of the time. A warp stops when the losses of all its candidates exceed
//           the minimum complete loss so far of their rows; such candidates cannot be the best, so the result is exact
//   bytes   12 read and 9 written per element, and U once for 16 rows: negligible compared with the search
//   limits  groups that start or end within a micro-block or exceed the block are searched elsewhere (find_grids.cu)
#include "backend/cuda/gptq/solve_kernels.h"
#include "backend/cuda/runtime/launch.h"

namespace gptq::backend::cuda {

namespace {

constexpr int kB = kSolveColumns;
constexpr int kRows = kSolveRows;
constexpr int kThreads = 128;
constexpr int kQuads = kThreads / 4;
constexpr int kMicro = 16;
constexpr int kMicros = kB / kMicro;
constexpr int kTries = 4;  // candidates of a quad
constexpr int kPasses = (kRangeCandidates + kTries - 1) / kTries;
constexpr uint32_t kPassOrder = 0x6051423;  // one digit each, from the right: the likeliest parts of the range first
constexpr uint32_t kAll = 0xFFFFFFFFu;

struct Shared {
  float u[kB][kB];
  float x[kRows][kB + 4];  // the rows' state; 4 more columns keep quads in different banks
  float s_diagonal[kB];
  int32_t group[kB];
  float low[kRows], high[kRows];
  Grid best[kRows];
  float best_loss[kRows];
  uint32_t limit[kRows];  // bits of the minimum complete loss so far; not negative, so they compare as integers
  float losses[kRows][kPasses * kTries];
  uint8_t codes[kB][kRows];
};

// x[t][m] −= errors[t] · u for the existing micro-blocks m of one row of U. At the last column of a micro-block the
// updated values move up by one position: micro-block m becomes m − 1.
template <int kMicroBlock, bool kLast, int kCount>
__device__ __forceinline__ void feed_back(float (&x)[kCount][kMicros][4], const float (&errors)[kCount], const float* u,
                                          int micros) {
  if constexpr (kMicroBlock < kMicros) {
    if (kMicroBlock > 0 && kMicroBlock >= micros) return;
    if constexpr (kMicroBlock > 0 || !kLast) {
      const float4 row = *reinterpret_cast<const float4*>(u + kMicroBlock * kMicro);
      constexpr int kTo = kLast ? kMicroBlock - 1 : kMicroBlock;
#pragma unroll
      for (int t = 0; t < kCount; ++t) {
        x[t][kTo][0] = x[t][kMicroBlock][0] - errors[t] * row.x;
        x[t][kTo][1] = x[t][kMicroBlock][1] - errors[t] * row.y;
        x[t][kTo][2] = x[t][kMicroBlock][2] - errors[t] * row.z;
        x[t][kTo][3] = x[t][kMicroBlock][3] - errors[t] * row.w;
      }
    }
    feed_back<kMicroBlock + 1, kLast>(x, errors, u, micros);
  }
}

// Σ ((w − q) / U_jj)² of this lane's candidate with error feedback inside columns [begin, begin + 16·micros) of a row,
// or a partial sum that exceeds shared.limit. `loss` is infinite for lanes without a candidate.
__device__ __forceinline__ float trial_with_feedback(const Shared& shared, int row, int begin, int micros,
                                                     const Rounder& rounder, float loss) {
  const int lane = threadIdx.x % 4;
  const volatile uint32_t& limit = shared.limit[row];
  float x[kTries][kMicros][4];
#pragma unroll
  for (int m = 0; m < kMicros; ++m) {
    float4 value = {0, 0, 0, 0};
    if (m < micros) value = *reinterpret_cast<const float4*>(&shared.x[row][begin + m * kMicro + lane * 4]);
#pragma unroll
    for (int t = 0; t < kTries; ++t)
      x[t][m][0] = value.x, x[t][m][1] = value.y, x[t][m][2] = value.z, x[t][m][3] = value.w;
  }
  const float* u = &shared.u[begin][begin + lane * 4];
  const float* s_diagonal = &shared.s_diagonal[begin];
  for (int left = micros; left > 0; --left) {
#pragma unroll
    for (int j = 0; j < kMicro; ++j) {
      float value = __shfl_sync(kAll, x[0][0][j % 4], j / 4, 4);
#pragma unroll
      for (int t = 1; t < kTries; ++t) {
        const float other = __shfl_sync(kAll, x[t][0][j % 4], j / 4, 4);
        if (lane == t) value = other;
      }
      const float error = (value - rounder.scale * rounder(value)) * s_diagonal[j];
      loss += error * error;
      float errors[kTries];
#pragma unroll
      for (int t = 0; t < kTries; ++t) errors[t] = __shfl_sync(kAll, error, t, 4);
      if (j + 1 < kMicro) {
        feed_back<0, false>(x, errors, u + j * kB, left);
      } else {
        feed_back<0, true>(x, errors, u + j * kB, left);
      }
    }
    if (__all_sync(kAll, loss > __uint_as_float(limit))) break;
    u += kMicro * kB + kMicro;
    s_diagonal += kMicro;
  }
  return loss;
}

// Σ (w − q)² of this lane's candidate; the lanes of the quad share the columns.
__device__ __forceinline__ float trial_without_feedback(const Shared& shared, int row, int begin, int micros,
                                                        const GridRules& rules, Grid own) {
  const int lane = threadIdx.x % 4;
  float loss = 0;
  for (int t = 0; t < kTries; ++t) {
    const Rounder rounder(rules, {__shfl_sync(kAll, own.scale, t, 4), __shfl_sync(kAll, own.zero, t, 4)});
    float sum = 0;
    for (int c = lane; c < micros * kMicro; c += 4) {
      const float value = shared.x[row][begin + c], difference = value - rounder.scale * rounder(value);
      sum += difference * difference;
    }
    sum += __shfl_xor_sync(kAll, sum, 1, 4);
    sum += __shfl_xor_sync(kAll, sum, 2, 4);
    if (lane == t) loss = sum;
  }
  return loss;
}

// Stores the loss of a candidate of each lane in shared.losses[row][index].
__device__ __forceinline__ void try_candidate(Shared& shared, const GridRules& rules, int row, int index, bool valid,
                                              Grid grid, int begin, int micros) {
  const float start = valid ? 0.0f : INFINITY;
  const float loss = rules.clip == Clip::kHessian
                         ? trial_with_feedback(shared, row, begin, micros, Rounder(rules, grid), start)
                         : trial_without_feedback(shared, row, begin, micros, rules, grid);
  shared.losses[row][index] = loss;
  if (loss < INFINITY) atomicMin(&shared.limit[row], __float_as_uint(loss));
}

// The range of each row's columns [begin, begin + count), extended to include zero.
__device__ __forceinline__ void find_ranges(Shared& shared, int begin, int count) {
  const int row = threadIdx.x / 8;
  float low = 0, high = 0;
  for (int c = threadIdx.x % 8; c < count; c += 8) {
    low = fminf(low, shared.x[row][begin + c]);
    high = fmaxf(high, shared.x[row][begin + c]);
  }
  for (int distance = 4; distance > 0; distance /= 2) {
    low = fminf(low, __shfl_xor_sync(kAll, low, distance, 8));
    high = fmaxf(high, __shfl_xor_sync(kAll, high, distance, 8));
  }
  if (threadIdx.x % 8 != 0) return;
  const bool empty = low == high;
  shared.low[row] = empty ? -1.0f : low;
  shared.high[row] = empty ? 1.0f : high;
}

// Stores the grids of the group in columns [begin, begin + count) in shared.best.
__device__ __forceinline__ void search(Shared& shared, const GridRules& rules, int begin, int count) {
  const int quad = threadIdx.x / 4, lane = threadIdx.x % 4, row_of_thread = threadIdx.x, micros = count / kMicro;
  find_ranges(shared, begin, count);
  __syncthreads();
  if (row_of_thread < kRows) {
    shared.best[row_of_thread] = grid_of_range(rules, shared.low[row_of_thread], shared.high[row_of_thread]);
    shared.limit[row_of_thread] = __float_as_uint(INFINITY);
  }
  __syncthreads();
  if (rules.clip == Clip::kNone) return;
  for (int task = quad; task < kRows * kPasses; task += kQuads) {  // the lanes of a warp exit together
    const int row = task % kRows, pass = kPassOrder >> 4 * (task / kRows) & 15, index = pass * kTries + lane;
    const bool valid = index < kRangeCandidates;
    const Grid grid = range_candidate(rules, shared.low[row], shared.high[row], valid ? index : 0);
    try_candidate(shared, rules, row, index, valid, grid, begin, micros);
  }
  __syncthreads();
  if (row_of_thread < kRows) {
    const int row = row_of_thread;
    int best = 0;
    for (int i = 1; i < kRangeCandidates; ++i) {
      if (shared.losses[row][i] < shared.losses[row][best]) best = i;
    }
    shared.best[row] = range_candidate(rules, shared.low[row], shared.high[row], best);
    shared.best_loss[row] = shared.losses[row][best];
  }
  __syncthreads();
  for (int round = 0; round < (rules.sym ? 0 : kRounds); ++round) {
    static_assert(kNeighbours == 2 * kTries && kQuads == 2 * kRows, "one task for each quad");
    const int row = quad / 2, index = quad % 2 * kTries + lane;
    try_candidate(shared, rules, row, index, true, neighbour(rules, shared.best[row], round, index), begin, micros);
    __syncthreads();
    if (row_of_thread < kRows) {
      const Grid center = shared.best[row_of_thread];
      for (int i = 0; i < kNeighbours; ++i) {
        if (!(shared.losses[row_of_thread][i] < shared.best_loss[row_of_thread])) continue;
        shared.best_loss[row_of_thread] = shared.losses[row_of_thread][i];
        shared.best[row_of_thread] = neighbour(rules, center, round, i);
      }
    }
    __syncthreads();
  }
}

// Rounds columns [begin, begin + 16·micros) and applies their errors to all later columns of the block.
__device__ __forceinline__ void round_columns(Shared& shared, const ColumnLoop& loop, int begin, int micros) {
  const int row = threadIdx.x / 4, lane = threadIdx.x % 4;
  if (row >= kRows) return;  // whole warps
  const int64_t global_row = int64_t{blockIdx.x} * kRows + row;
  const int all_micros = kMicros - begin / kMicro;
  float x[1][kMicros][4];
#pragma unroll
  for (int m = 0; m < kMicros; ++m) {
    float4 value = {0, 0, 0, 0};
    if (m < all_micros) value = *reinterpret_cast<const float4*>(&shared.x[row][begin + m * kMicro + lane * 4]);
    x[0][m][0] = value.x, x[0][m][1] = value.y, x[0][m][2] = value.z, x[0][m][3] = value.w;
  }
  int32_t group = -1;
  float zero = 0;
  Rounder rounder(loop.rules, {1.0f, 0.0f});
  for (int done = 0; done < micros; ++done) {
    const int first = begin + done * kMicro, own = first + lane * 4;
    float* weights = loop.block.weights + global_row * loop.block.weights_stride + own;
    float original[4], codes[4], values[4];
#pragma unroll
    for (int i = 0; i < 4; ++i) original[i] = own + i < loop.block.columns ? weights[i] : 0.0f;
#pragma unroll
    for (int j = 0; j < kMicro; ++j) {
      const int32_t next = shared.group[first + j];
      if (next != group && next >= 0) {  // the same for all rows
        group = next;
        zero = loop.grids.zeros[next * loop.grids.zeros_stride + global_row];
        rounder = Rounder(loop.rules, {loop.grids.scales[next * loop.grids.scales_stride + global_row], zero});
      }
      const float value = __shfl_sync(kAll, x[0][0][j % 4], j / 4, 4);
      const float steps = rounder(value), rounded = __fmul_rn(rounder.scale, steps);
      const float errors[1] = {(value - rounded) * shared.s_diagonal[first + j]};
      if (lane == j / 4) codes[j % 4] = steps + zero, values[j % 4] = rounded;
      const float* u = &shared.u[first + j][first + lane * 4];
      if (j + 1 < kMicro) {
        feed_back<0, false>(x, errors, u, all_micros - done);
      } else {
        feed_back<0, true>(x, errors, u, all_micros - done);
      }
    }
    float* differences = loop.differences + global_row * loop.differences_stride + own;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      if (own + i >= loop.block.columns) continue;
      shared.codes[own + i][row] = static_cast<uint8_t>(codes[i]);
      weights[i] = values[i];
      differences[i] = original[i] - values[i];
    }
  }
#pragma unroll
  for (int m = 0; m < kMicros; ++m) {
    if (m >= all_micros - micros) break;
    *reinterpret_cast<float4*>(&shared.x[row][begin + (micros + m) * kMicro + lane * 4]) = {x[0][m][0], x[0][m][1],
                                                                                            x[0][m][2], x[0][m][3]};
  }
}

__global__ void __launch_bounds__(kThreads, 2) column_loop_kernel(const ColumnLoop loop) {
  extern __shared__ float4 shared_memory[];
  Shared& shared = *reinterpret_cast<Shared*>(shared_memory);
  const StripBlock& block = loop.block;
  const int64_t first_row = int64_t{blockIdx.x} * kRows;
  for (int i = threadIdx.x; i < kB * kB / 4; i += kThreads) {
    reinterpret_cast<float4*>(&shared.u[0][0])[i] = reinterpret_cast<const float4*>(block.u)[i];
  }
  {
    const int c = threadIdx.x;  // one column for each thread
    static_assert(kThreads == kB);
    const bool inside = c < block.columns;
    shared.s_diagonal[c] = inside ? block.s_diagonal[c * block.s_step] : 0.0f;
    shared.group[c] = inside ? loop.group[c] : -1;
    for (int r = 0; r < kRows; ++r) {
      shared.x[r][c] = inside ? block.weights[(first_row + r) * block.weights_stride + c] +
                                    block.shift[(first_row + r) * block.shift_stride + c]
                              : 0.0f;
    }
  }
  __syncthreads();
  for (int begin = 0; begin < block.columns;) {
    int count = (block.columns - begin + kMicro - 1) / kMicro * kMicro;
    if (loop.search) {
      const int32_t group = shared.group[begin];
      for (count = kMicro; begin + count < kB && shared.group[begin + count] == group;) count += kMicro;
      search(shared, loop.rules, begin, count);
      if (threadIdx.x < kRows) {
        const Grid grid = shared.best[threadIdx.x];
        loop.grids.scales[group * loop.grids.scales_stride + first_row + threadIdx.x] = grid.scale;
        loop.grids.zeros[group * loop.grids.zeros_stride + first_row + threadIdx.x] = grid.zero;
      }
      __syncthreads();
    }
    round_columns(shared, loop, begin, count / kMicro);
    __syncthreads();
    begin += count;
  }
  for (int i = threadIdx.x; i < block.columns * kRows; i += kThreads) {
    loop.codes[i / kRows * loop.codes_stride + first_row + i % kRows] = shared.codes[i / kRows][i % kRows];
  }
}

}  // namespace

void run_column_loop(Context& context, const ColumnLoop& loop) {
  CHECK(loop.block.rows % kRows == 0 && loop.block.columns <= kB);
  GPTQ_CUDA(cudaFuncSetAttribute(column_loop_kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                 static_cast<int>(sizeof(Shared))));
  column_loop_kernel<<<tiles(loop.block.rows, kRows), kThreads, sizeof(Shared), context.stream()>>>(loop);
  check_launch("column_loop_kernel", loop.block.rows, loop.block.columns);
}

}  // namespace gptq::backend::cuda
