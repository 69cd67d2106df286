// Grid search for groups that the column loop does not search itself, and the inverses of diagonal blocks.
//
// find_grids      any number of columns. A warp for each row, lanes 32 columns apart. Up to 256 columns with error
//                 feedback: the row in registers, a column's value shuffled to all lanes. More columns without: the row
//                 is read again for every candidate, from the L2 cache
//   bytes         8 read per element and candidate, from caches
// invert_blocks   U_JJ = S_JJ⁻ᵀ by substitution: a block of threads for each diagonal block, a thread for each column
//                 of S_JJ⁻¹, all in shared memory (130 KiB); all blocks at once
#include "backend/cuda/gptq/solve_kernels.h"
#include "backend/cuda/runtime/launch.h"

namespace gptq::backend::cuda {

namespace {

constexpr int kB = kSolveColumns;
constexpr int kThreads = 128;
constexpr int kWarps = kThreads / 32;
constexpr int kParts = kFeedbackColumns / 32;  // columns of a lane in registers
constexpr uint32_t kAll = 0xFFFFFFFFu;

__device__ __forceinline__ float weight_of(const StripBlock& group, int64_t row, int64_t c) {
  const float w = group.weights[row * group.weights_stride + c];
  return group.shift == nullptr ? w : w + group.shift[row * group.shift_stride + c];
}

__device__ float loss_with_feedback(const StripBlock& group, int64_t row, const Rounder& rounder) {
  const int lane = threadIdx.x % 32;
  float x[kParts];
#pragma unroll
  for (int p = 0; p < kParts; ++p) {
    const int c = p * 32 + lane;
    x[p] = c < group.columns ? weight_of(group, row, c) : 0.0f;
  }
  float loss = 0;
#pragma unroll
  for (int p = 0; p < kParts; ++p) {
    for (int i = 0; i < 32; ++i) {
      const int j = p * 32 + i;
      if (j >= group.columns) break;
      const float value = __shfl_sync(kAll, x[p], i);
      const float error = (value - rounder.scale * rounder(value)) * group.s_diagonal[j * group.s_step];
      loss += error * error;
      const float* u = group.u + j * group.u_stride;
#pragma unroll
      for (int q = p; q < kParts; ++q) {
        const int c = q * 32 + lane;
        if (c > j && c < group.columns) x[q] -= error * u[c];
      }
    }
  }
  return loss;
}

__device__ float loss_without_feedback(const StripBlock& group, int64_t row, const Rounder& rounder, bool weighted) {
  float loss = 0;
  for (int64_t c = threadIdx.x % 32; c < group.columns; c += 32) {
    const float value = weight_of(group, row, c);
    float error = value - rounder.scale * rounder(value);
    if (weighted) error *= group.s_diagonal[c * group.s_step];
    loss += error * error;
  }
  for (int distance = 16; distance > 0; distance /= 2) loss += __shfl_xor_sync(kAll, loss, distance);
  return loss;
}

__global__ void __launch_bounds__(kThreads)
    find_grids_kernel(const StripBlock group, const GridRules rules, float* scales, float* zeros) {
  const int64_t row = int64_t{blockIdx.x} * kWarps + threadIdx.x / 32;
  if (row >= group.rows) return;
  float low = 0, high = 0;
  for (int64_t c = threadIdx.x % 32; c < group.columns; c += 32) {
    const float value = weight_of(group, row, c);
    low = fminf(low, value);
    high = fmaxf(high, value);
  }
  for (int distance = 16; distance > 0; distance /= 2) {
    low = fminf(low, __shfl_xor_sync(kAll, low, distance));
    high = fmaxf(high, __shfl_xor_sync(kAll, high, distance));
  }
  if (low == high) low = -1.0f, high = 1.0f;

  Grid best = grid_of_range(rules, low, high);
  if (rules.clip != Clip::kNone) {
    const bool weighted = rules.clip == Clip::kHessian, feedback = weighted && group.columns <= kFeedbackColumns;
    float best_loss = 0;
    const auto consider = [&](Grid grid, bool first) {
      const Rounder rounder(rules, grid);
      const float loss =
          feedback ? loss_with_feedback(group, row, rounder) : loss_without_feedback(group, row, rounder, weighted);
      if (!first && !(loss < best_loss)) return;
      best_loss = loss;
      best = grid;
    };
    for (int i = 0; i < kRangeCandidates; ++i) consider(range_candidate(rules, low, high, i), i == 0);
    for (int round = 0; round < (rules.sym ? 0 : kRounds); ++round) {
      const Grid center = best;
      for (int i = 0; i < kNeighbours; ++i) consider(neighbour(rules, center, round, i), false);
    }
  }
  if (threadIdx.x % 32 != 0) return;
  scales[row] = best.scale;
  zeros[row] = best.zero;
}

struct Inversion {
  float s[kB][kB];
  float inverse[kB][kB + 1];  // S⁻¹; one more column keeps its columns in different banks
};

__global__ void __launch_bounds__(kB)
    invert_blocks_kernel(float* u, const float* s, int64_t s_stride, const BlockRange* blocks) {
  extern __shared__ float4 shared_memory[];
  Inversion& shared = *reinterpret_cast<Inversion*>(shared_memory);
  const BlockRange block = blocks[blockIdx.x];
  const int c = threadIdx.x;
  for (int i = 0; i < kB; ++i) {
    const bool inside = i < block.columns && c <= i;
    shared.s[i][c] = inside ? s[(block.begin + i) * s_stride + block.begin + c] : 0.0f;
    shared.inverse[i][c] = 0.0f;
  }
  __syncthreads();
  for (int i = 0; i < block.columns; ++i) {
    float sums[4] = {i == c ? 1.0f : 0.0f, 0, 0, 0};  // elements above the diagonal stay zero
    int m = c / 32 * 32;
    for (; m + 4 <= i; m += 4) {
#pragma unroll
      for (int part = 0; part < 4; ++part) sums[part] -= shared.s[i][m + part] * shared.inverse[m + part][c];
    }
    for (; m < i; ++m) sums[0] -= shared.s[i][m] * shared.inverse[m][c];
    if (i >= c) shared.inverse[i][c] = ((sums[0] + sums[1]) + (sums[2] + sums[3])) / shared.s[i][i];
  }
  __syncthreads();
  for (int j = 0; j < kB; ++j) u[(int64_t{blockIdx.x} * kB + j) * kB + c] = shared.inverse[c][j];
}

}  // namespace

void find_grids(Context& context, const StripBlock& group, const GridRules& rules, float* scales, float* zeros) {
  find_grids_kernel<<<tiles(group.rows, kWarps), kThreads, 0, context.stream()>>>(group, rules, scales, zeros);
  check_launch("find_grids_kernel", group.rows, group.columns);
}

void invert_blocks(Context& context, float* u, const float* s, int64_t s_stride, const BlockRange* blocks, int count) {
  GPTQ_CUDA(cudaFuncSetAttribute(invert_blocks_kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                 static_cast<int>(sizeof(Inversion))));
  invert_blocks_kernel<<<static_cast<unsigned>(count), kB, sizeof(Inversion), context.stream()>>>(u, s, s_stride,
                                                                                                  blocks);
  check_launch("invert_blocks_kernel", count, kB);
}

}  // namespace gptq::backend::cuda
