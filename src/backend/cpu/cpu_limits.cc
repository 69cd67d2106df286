// The best of several passes, each of which runs in all threads at the same time.
#include "backend/cpu/cpu_limits.h"

#include <algorithm>
#include <vector>

#include "backend/cpu/packed/kernels.h"
#include "core/clock.h"
#include "core/tensor.h"

namespace gptq::backend {

namespace {

constexpr int kPasses = 6;
constexpr int64_t kReadBytes = int64_t{512} << 20;  // more than the caches of a processor
constexpr int64_t kRounds = 100'000;

template <typename Body>
double best_seconds(const Body& body) {
  double best = 0;
  for (int pass = 0; pass < kPasses; ++pass) {
    const auto start = std::chrono::steady_clock::now();
    body();
    const double seconds = seconds_since(start);
    best = pass == 0 ? seconds : std::min(best, seconds);
  }
  return best;
}

}  // namespace

Backend::Limits measure_cpu(ThreadPool& pool) {
  const packed::Kernels& kernels = packed::kernels();
  const int64_t parts = 4 * pool.size();
  const Tensor memory(DType::kU8, {kReadBytes});
  const auto* data = reinterpret_cast<const uint8_t*>(memory.data());
  std::vector<float> sinks(static_cast<size_t>(parts));
  const int64_t part_bytes = kReadBytes / parts / 256 * 256;
  const double read = best_seconds([&] {
    pool.parallel_for(
        parts, [&](int64_t i) { kernels.read(data + i * part_bytes, part_bytes, &sinks[static_cast<size_t>(i)]); });
  });
  std::vector<int64_t> products(static_cast<size_t>(parts));
  const double multiply = best_seconds([&] {
    pool.parallel_for(parts, [&](int64_t i) {
      products[static_cast<size_t>(i)] = kernels.products(kRounds / 4, &sinks[static_cast<size_t>(i)]);
    });
  });
  return {static_cast<double>(parts * part_bytes) / read, 2.0 * static_cast<double>(parts * products[0]) / multiply};
}

}  // namespace gptq::backend
