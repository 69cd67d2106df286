// Copies that rotate over more memory than caches hold, and one large matrix product; or what the backend measures.
#include "generate/device_rates.h"

#include <algorithm>
#include <chrono>
#include <functional>

#include "core/clock.h"

namespace gptq::generate {

using backend::Backend;
using backend::Matrix;
using backend::Weight;

namespace {

constexpr double kSecondsEach = 0.4;
constexpr int kFewestPasses = 4;  // the first one only warms up

// The shortest time of several passes of `body`, which queues work on the device.
double best_seconds(Backend& backend, const std::function<void()>& body) {
  double best = 0, total = 0;
  for (int pass = 0; pass < kFewestPasses || total < kSecondsEach; ++pass) {
    backend.synchronize();
    const auto start = std::chrono::steady_clock::now();
    body();
    backend.synchronize();
    const double seconds = seconds_since(start);
    total += seconds;
    if (pass > 0) best = best == 0 ? seconds : std::min(best, seconds);
  }
  return best;
}

double copy_rate(Backend& backend) {
  constexpr int64_t kCols = 4096;
  constexpr size_t kPairs = 4;
  const int64_t rows = backend.capabilities().probe_copy_rows;
  std::vector<Matrix> from, to;
  const Matrix source = random_activations(backend, rows, kCols);
  for (size_t i = 0; i < kPairs; ++i) {
    from.push_back(allocate_activations(backend, rows, kCols));
    to.push_back(allocate_activations(backend, rows, kCols));
    backend.copy(from.back().view(), source.view());
  }
  const double seconds = best_seconds(backend, [&] {
    for (size_t i = 0; i < kPairs; ++i) backend.copy(to[i].view(), from[i].view());
  });
  return 2.0 * kPairs * static_cast<double>(from[0].bytes()) / seconds;
}

double gemm_rate(Backend& backend) {
  const auto& shape = backend.capabilities().probe_gemm;
  const int64_t repeats = shape.repeats;
  const std::unique_ptr<Weight> weight = random_dense_weight(backend, shape.n, shape.k, 0);
  const Matrix x = random_activations(backend, shape.m, shape.k), y = allocate_activations(backend, shape.m, shape.n);
  const Weight* const weights[] = {weight.get()};
  const double seconds = best_seconds(backend, [&] {
    for (int64_t i = 0; i < repeats; ++i) backend.linear(y.view(), x.view(), weights);
  });
  return 2.0 * static_cast<double>(repeats * shape.m * shape.n * shape.k) / seconds;
}

uint64_t random_bits(uint64_t index) {  // SplitMix64
  uint64_t x = (index + 1) * 0x9E3779B97F4A7C15ull;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
  return x ^ (x >> 31);
}

// Random sign, mantissa and the two lowest exponent bits: magnitudes from 2⁻⁷ to 2⁻³.
BFloat16 random_number(uint64_t bits) { return {static_cast<uint16_t>((bits & 0x81FFu) | 0x3C00u)}; }

}  // namespace

std::unique_ptr<Weight> random_dense_weight(Backend& backend, int64_t n, int64_t k, uint64_t seed) {
  Tensor tensor(DType::kBF16, {n, k});
  const std::span<BFloat16> values = tensor.values<BFloat16>();
  for (size_t i = 0; i < values.size(); i += 4) {
    uint64_t bits = random_bits((seed << 40) + i / 4);
    for (size_t j = i; j < std::min(i + 4, values.size()); ++j, bits >>= 16) values[j] = random_number(bits);
  }
  return backend.load_weight(tensor.view(), nullptr);
}

Matrix allocate_activations(Backend& backend, int64_t m, int64_t k) {
  return backend.allocate(backend.activation_dtype(), m, k);
}

Matrix random_activations(Backend& backend, int64_t m, int64_t k) {
  std::vector<float> values(static_cast<size_t>(m * k));
  for (size_t i = 0; i < values.size(); ++i) values[i] = to_float(random_number(random_bits(i)));
  Matrix x = allocate_activations(backend, m, k);
  backend.upload(x.view(), values);
  return x;
}

DeviceRates measure_device(Backend& backend) {
  const Backend::Limits limits = backend.measure_limits();
  if (limits.read > 0) return {limits.read, limits.products, "read", "int8"};
  return {copy_rate(backend), gemm_rate(backend)};
}

}  // namespace gptq::generate
