// Conversion of a problem to kernel arguments.
#include "backend/cuda/linear/fused_linear.h"

#include <algorithm>
#include <limits>

namespace gptq::backend::cuda {

bool can_fuse(std::span<const CudaWeight* const> weights) {
  if (weights.size() > FusedLinear::kMaxParts) return false;
  const CudaWeight& first = *weights[0];
  return std::all_of(weights.begin(), weights.end(), [&](const CudaWeight* w) {
    if (w->k != first.k || w->is_packed() != first.is_packed() || w->n % kTileRows != 0) return false;
    const PackedView &a = w->packed, &b = first.packed;
    return a.bits == b.bits && a.sym == b.sym && a.group_steps == b.group_steps && w->order_hash == first.order_hash;
  });
}

LinearArguments arguments_of(const FusedLinear& problem) {
  const CudaWeight& first = *problem.weights[0];
  LinearArguments p{};
  for (LinearPart& part : p.parts) part.begin = std::numeric_limits<int>::max();
  for (size_t i = 0; i < problem.weights.size(); ++i) {
    const CudaWeight& w = *problem.weights[i];
    p.parts[i] = {w.codes.as<std::byte>(), w.scales.as<std::byte>(), w.bias(), static_cast<int>(w.n), p.blocks};
    if (i == 0 || !problem.gated) p.blocks += static_cast<int>((w.n + kTileRows - 1) / kTileRows);
  }
  p.gated = problem.gated;
  p.residual = problem.residual;
  p.y_is_float = problem.y.dtype == DType::kF32;
  p.rows = problem.rows;
  p.k = static_cast<int>(first.k);
  p.tiles = static_cast<int>((first.k + kTilePositions - 1) / kTilePositions);
  const int64_t group_tiles = std::max(1, first.packed.group_steps / 4);
  p.group_tiles_inverse =
      group_tiles == 1 ? 0 : static_cast<uint32_t>(((int64_t{1} << 32) + group_tiles - 1) / group_tiles);
  p.group_steps = first.packed.group_steps;
  p.groups = first.packed.groups;
  p.x = problem.x.data;
  p.x_stride = problem.x.stride;
  p.output_perm = problem.output_perm;
  p.y = problem.y.data;
  p.y_stride = problem.y.stride;
  return p;
}

}  // namespace gptq::backend::cuda
