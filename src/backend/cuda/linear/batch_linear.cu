// Choosing the instance of the batch kernel for a problem.
#include "backend/cuda/linear/batch_linear.h"

#include <algorithm>

#include "backend/cuda/linear/batch_linear.cuh"
#include "backend/cuda/runtime/launch.h"

namespace gptq::backend::cuda {

namespace {

constexpr int kMaxColumns = 64;
constexpr int kMinUnits = 4;            // of a CTA: adding the sums of fewer units costs more than reading them
constexpr int kMaxOutputTiles = 16384;  // of 128 outputs: two million outputs

struct Instance {
  void (*kernel)(BatchArguments);
  int shared_bytes;
};

template <typename T, int kBits, int kSteps>
Instance pick_columns(int columns) {
  if (columns <= 32) return {batch_linear_kernel<T, kBits, kSteps, 32>, BatchStage<kBits, kSteps, 32>::kSharedBytes};
  return {batch_linear_kernel<T, kBits, kSteps, 64>, BatchStage<kBits, kSteps, 64>::kSharedBytes};
}

template <typename T, int kBits>
Instance pick_steps(const CudaWeight& w, int columns) {
  return w.packed.group_steps % 4 == 0 ? pick_columns<T, kBits, 4>(columns) : pick_columns<T, kBits, 1>(columns);
}

template <typename T>
Instance pick_bits(const CudaWeight& w, int columns) {
  switch (w.packed.bits) {
    case 2: return pick_steps<T, 2>(w, columns);
    case 3: return pick_steps<T, 3>(w, columns);
    case 4: return pick_steps<T, 4>(w, columns);
    default: return pick_steps<T, 8>(w, columns);
  }
}

Instance pick(const CudaWeight& w, int columns) {
  return w.dtype == DType::kF16 ? pick_bits<__half>(w, columns) : pick_bits<__nv_bfloat16>(w, columns);
}

int max_ctas(const Context& context) { return 2 * context.multiprocessors(); }

}  // namespace

BatchLinear::BatchLinear(Context& context)
    : context_(context),
      sums_(context, sizeof(float) * 2 * static_cast<size_t>(max_ctas(context)) * kMaxColumns * kUnitOutputs),
      arrived_(context, sizeof(unsigned) * kMaxOutputTiles) {
  GPTQ_CUDA(cudaMemsetAsync(arrived_.as(), 0, arrived_.bytes(), context.stream()));
}

int BatchLinear::max_rows(const Context& context, const CudaWeight& weight) {
  if (!weight.is_packed() || weight.n > int64_t{kMaxOutputTiles} * kUnitOutputs / 4) return 0;
  for (const int columns : {64, 32}) {
    if (pick(weight, columns).shared_bytes <= context.shared_bytes_per_block()) return columns;
  }
  return 0;
}

void BatchLinear::launch(const FusedLinear& problem, bool dependent) {
  const CudaWeight& first = *problem.weights[0];
  const Instance chosen = pick(first, problem.rows);
  BatchArguments p{};
  static_cast<LinearArguments&>(p) = arguments_of(problem);
  const int unit_blocks = p.gated ? kUnitBlocks / 2 : kUnitBlocks;
  p.chunks = (p.tiles + kUnitTiles - 1) / kUnitTiles;
  const int units = (p.blocks + unit_blocks - 1) / unit_blocks * p.chunks;
  p.group_bytes = first.packed.sym ? 32 : 64;
  p.sym = first.packed.sym;
  p.sums = sums_.as<float>();
  p.arrived = arrived_.as<unsigned>();

  const int resident = chosen.shared_bytes * 2 + 2 * 1024 <= context_.shared_bytes_per_multiprocessor() ? 2 : 1;
  const int grid = std::min((units + kMinUnits - 1) / kMinUnits, resident * context_.multiprocessors());
  p.units_a_cta = units / grid;
  p.units_extra = units % grid;
  launch_kernel(context_, chosen.kernel, dim3(static_cast<unsigned>(grid)), kBatchThreads,
                static_cast<size_t>(chosen.shared_bytes), dependent, p);
}

}  // namespace gptq::backend::cuda
