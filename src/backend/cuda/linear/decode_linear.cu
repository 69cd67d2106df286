// Choosing the instance of the decode kernel for a problem.
#include <algorithm>

#include "backend/cuda/linear/decode_linear.cuh"
#include "backend/cuda/runtime/launch.h"

namespace gptq::backend::cuda {

namespace {

// About the bytes that memory transfers between two kernels, or during attention.
constexpr size_t kPrefetchBytes = size_t{9} << 20;

struct Instance {
  void (*kernel)(DecodeArguments);
  int ring_bytes;
};

template <typename T, int kBits, bool kSym, int kSteps>
Instance instance() {
  return {decode_linear_kernel<T, kBits, kSym, kSteps>, ring_bytes<kBits, kSym, kSteps>()};
}

template <typename T, int kBits>
Instance pick_scales(bool sym, bool whole_tiles) {
  if (whole_tiles) return sym ? instance<T, kBits, true, 4>() : instance<T, kBits, false, 4>();
  return sym ? instance<T, kBits, true, 1>() : instance<T, kBits, false, 1>();
}

template <typename T>
Instance pick_bits(const CudaWeight& w) {
  if (!w.is_packed()) return instance<T, 16, true, 4>();
  const bool whole_tiles = w.packed.group_steps % 4 == 0;
  switch (w.packed.bits) {
    case 2: return pick_scales<T, 2>(w.packed.sym, whole_tiles);
    case 3: return pick_scales<T, 3>(w.packed.sym, whole_tiles);
    case 4: return pick_scales<T, 4>(w.packed.sym, whole_tiles);
    default: return pick_scales<T, 8>(w.packed.sym, whole_tiles);
  }
}

Instance pick(const CudaWeight& w) {
  return w.dtype == DType::kF16 ? pick_bits<__half>(w) : pick_bits<__nv_bfloat16>(w);
}

// So that eight rows of x start in different banks.
int shared_stride(const CudaWeight& w) {
  return static_cast<int>((w.k + kTilePositions - 1) / kTilePositions) * kTilePositions + 16;
}

}  // namespace

int decode_rows(const Context& context, const CudaWeight& weight) {
  if (weight.k % 32 != 0) return 0;
  // The sums of at least one block must fit, for both halves and an even number of rows.
  const int left = context.shared_bytes_per_block() - pick(weight).ring_bytes - 2 * sum_bytes(1);
  return std::clamp(left / (shared_stride(weight) * 2 + 2 * sum_bytes(1)), 0, DecodeLinear::kMaxRows);
}

void launch_decode_linear(const Context& context, const DecodeLinear& problem, bool dependent) {
  const CudaWeight& first = *problem.weights[0];
  const Instance chosen = pick(first);
  DecodeArguments p{};
  static_cast<LinearArguments&>(p) = arguments_of(problem);
  p.x_stride_shared = shared_stride(first);
  p.sum_rows = (p.rows + 1) / 2 * 2;
  p.norm = problem.norm;
  p.norm_eps = problem.norm_eps;
  p.inverse_perm = problem.sorted_input ? nullptr : first.packed.inverse_perm;

  const int grid = std::min(p.blocks, context.multiprocessors());
  if (problem.next != nullptr) {
    const size_t bytes = std::min(problem.next->codes.bytes(), kPrefetchBytes);
    p.next = problem.next->codes.as<std::byte>();
    p.next_bytes = static_cast<uint32_t>(bytes / static_cast<size_t>(grid) / 16 * 16);
  }

  const int of_block = sum_bytes(p.sum_rows) * (p.gated ? 2 : 1), turns = (p.blocks + grid - 1) / grid;
  const int without_sums = chosen.ring_bytes + p.rows * p.x_stride_shared * 2;
  p.sum_blocks = std::clamp((context.shared_bytes_per_block() - without_sums) / of_block, 1, turns);
  const int shared = without_sums + p.sum_blocks * of_block;
  launch_kernel(context, chosen.kernel, dim3(static_cast<unsigned>(grid)), kDecodeThreads, static_cast<size_t>(shared),
                dependent, p);
}

}  // namespace gptq::backend::cuda
