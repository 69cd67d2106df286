// How close is the packed linear to the memory's limit? One row of input against 7B-sized weights, every width.
#include <cstdio>
#include <random>

#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/kernels.h"
#include "bench/bandwidth.h"

namespace {

using namespace gptq;

constexpr int64_t kGroup = 128;

PackedWeight random_weight(int64_t n, int64_t k, int bits) {
  std::mt19937 random(1);
  PackedWeight w;
  w.bits = bits;
  w.in_features = k;
  w.out_features = n;
  w.group_size = kGroup;
  w.qweight = Tensor(DType::kI32, {k * bits / 32, n});
  w.qzeros = Tensor(DType::kI32, {k / kGroup, n * bits / 32});
  w.scales = Tensor(DType::kF16, {k / kGroup, n});
  w.g_idx = Tensor(DType::kI32, {k});
  for (int32_t& word : w.qweight.values<int32_t>()) word = static_cast<int32_t>(random());
  for (Half& scale : w.scales.values<Half>()) scale = to_half(0.01f);
  for (int64_t i = 0; i < k; ++i) w.g_idx.values<int32_t>()[static_cast<size_t>(i)] = static_cast<int32_t>(i / kGroup);
  return w;
}

}  // namespace

int main() {
  ThreadPool pool(0);
  const std::unique_ptr<Backend> backend = make_cpu_backend(0);
  std::printf("instruction set %s, %d threads\n\n%-28s %10s %10s %18s\n", best_kernels().name, pool.size(), "shape",
              "us", "GB/s", "% of bandwidth");
  for (const auto& [n, k] : {std::pair<int64_t, int64_t>{14336, 4096}, {4096, 14336}}) {
    for (const int bits : {2, 3, 4, 8}) {
      const std::unique_ptr<Weight> weight = backend->prepare(random_weight(n, k, bits));
      for (const int64_t rows : {1, 4, 16}) {
        const Matrix x = backend->allocate(DType::kF32, rows, k), y = backend->allocate(DType::kF32, rows, n);
        backend->clear(x.view());
        const Weight* weights[] = {weight.get()};
        double best = 1e9, share = 0;
        for (int run = 0; run < 5; ++run) {
          const auto start = std::chrono::steady_clock::now();
          for (int i = 0; i < 4; ++i) backend->linear(y.view(), x.view(), weights);
          const double seconds = bench::seconds_since(start) / 4;
          share = std::max(share, static_cast<double>(weight->bytes()) / seconds / bench::read_bandwidth(pool));
          best = std::min(best, seconds);
        }
        char shape[64];
        std::snprintf(shape, sizeof(shape), "%ldx%ld w%dg%ld m%ld", static_cast<long>(n), static_cast<long>(k), bits,
                      static_cast<long>(kGroup), static_cast<long>(rows));
        std::printf("%-28s %10.0f %10.2f %17.0f%%\n", shape, best * 1e6,
                    static_cast<double>(weight->bytes()) / best / 1e9, 100 * share);
      }
    }
  }
}
