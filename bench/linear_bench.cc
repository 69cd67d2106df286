// How close are the linears of a 7B model to the device's limits, from one row of input to thousands?
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

#include <gptq/error.h>

#include "bench/random_numbers.h"
#include "generate/device_rates.h"

namespace {

using namespace gptq;
using namespace gptq::generate;
using namespace gptq::backend;

constexpr int64_t kRotate = 300'000'000;  // bytes of weights taken in turn: more than any cache holds
constexpr double kPassSeconds = 0.02;     // of work between two waits for the device
constexpr int kPasses = 5;

struct LinearShape {
  const char* name;
  int64_t n, k;
  bool dense;
};

// Mistral-7B's, with the linears that share an input as one matrix.
constexpr LinearShape kShapes[] = {{"qkv", 6144, 4096, false},
                                   {"o", 4096, 4096, false},
                                   {"gate_up", 28672, 4096, false},
                                   {"down", 4096, 14336, false},
                                   {"lm_head", 32768, 4096, true}};

struct Arguments {
  std::string device = "auto";
  int threads = 0, group_size = 128;
  std::vector<int> bits = {4};
  std::vector<int64_t> rows;
};

PackedWeight random_packed(int64_t n, int64_t k, int bits, int64_t group_size) {
  const bench::RandomStream random(0, "codes");
  PackedWeight w;
  w.bits = bits;
  w.in_features = k;
  w.out_features = n;
  w.group_size = group_size;
  w.qweight = Tensor(DType::kI32, {k * bits / 32, n});
  w.qzeros = Tensor(DType::kI32, {k / group_size, n * bits / 32});
  w.scales = Tensor(DType::kF16, {k / group_size, n});
  w.g_idx = Tensor(DType::kI32, {k});
  int64_t i = 0;
  for (int32_t& word : w.qweight.values<int32_t>()) word = static_cast<int32_t>(random[i++]);
  for (Half& scale : w.scales.values<Half>())
    scale = to_half(0.002f + 0.004f * static_cast<float>(random[i++] >> 40) * 0x1p-24f);
  for (int64_t g = 0; g < k / group_size; ++g) {
    int32_t* const zeros = w.qzeros.values<int32_t>().data() + g * n * bits / 32;
    for (int64_t column = 0; column < n; ++column) pack_field(zeros, column, bits, 1u << (bits - 1));
  }
  for (int64_t column = 0; column < k; ++column) {
    w.g_idx.values<int32_t>()[static_cast<size_t>(column)] = static_cast<int32_t>(column / group_size);
  }
  return w;
}

// Copies of one weight, enough of them that none is still in a cache when its turn comes again.
std::vector<std::unique_ptr<Weight>> make_weights(Backend& backend, const LinearShape& shape, int bits,
                                                  int64_t group_size) {
  std::vector<std::unique_ptr<Weight>> weights;
  if (shape.dense) {
    do {
      weights.push_back(random_dense_weight(backend, shape.n, shape.k, weights.size()));
    } while (weights[0]->bytes() * static_cast<int64_t>(weights.size()) < kRotate);
    return weights;
  }
  const PackedWeight packed = random_packed(shape.n, shape.k, bits, group_size);
  do {
    weights.push_back(backend.load_weight(packed));
  } while (weights[0]->bytes() * static_cast<int64_t>(weights.size()) < kRotate);
  return weights;
}

// The median over several passes of many calls, per call.
double seconds_per_call(Backend& backend, const std::vector<std::unique_ptr<Weight>>& weights, MatrixView y,
                        MatrixView x) {
  size_t turn = 0;
  const auto pass = [&](int64_t calls) {
    backend.synchronize();
    const auto start = std::chrono::steady_clock::now();
    for (int64_t i = 0; i < calls; ++i) {
      const Weight* const one[] = {weights[turn++ % weights.size()].get()};
      backend.linear(y, x, one);
    }
    backend.synchronize();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() / static_cast<double>(calls);
  };
  pass(1);  // warms up
  const int64_t calls = std::clamp<int64_t>(static_cast<int64_t>(kPassSeconds / pass(1)), 1, 1000);
  std::vector<double> seconds;
  for (int i = 0; i < kPasses; ++i) seconds.push_back(pass(calls));
  std::nth_element(seconds.begin(), seconds.begin() + kPasses / 2, seconds.end());
  return seconds[kPasses / 2];
}

void measure(Backend& backend, const DeviceRates& rates, const Arguments& a, const LinearShape& shape, int bits) {
  const auto weights = make_weights(backend, shape, bits, a.group_size);
  for (const int64_t m : a.rows) {
    const Matrix x = random_activations(backend, m, shape.k), y = allocate_activations(backend, m, shape.n);
    const double seconds = seconds_per_call(backend, weights, y.view(), x.view());
    const double bytes = static_cast<double>(weights[0]->bytes()) + static_cast<double>(x.bytes() + y.bytes());
    const double operations = 2.0 * static_cast<double>(m * shape.n * shape.k);
    const std::string name = std::string(shape.name) + " " + std::to_string(shape.n) + "x" + std::to_string(shape.k);
    const std::string kind = shape.dense ? "dense" : "w" + std::to_string(bits) + "g" + std::to_string(a.group_size);
    std::printf("%-20s %-7s %5ld %11.1f %9.1f %7.0f%% %11.3f %7.0f%%\n", name.c_str(), kind.c_str(),
                static_cast<long>(m), seconds * 1e6, bytes / seconds / 1e9, 100 * bytes / seconds / rates.memory,
                operations / seconds / 1e12, 100 * operations / seconds / rates.products);
    std::fflush(stdout);
  }
}

}  // namespace

int main(int argc, char** argv) {
  Arguments a;
  CLI::App app("The linears of the Mistral-7B shape beside the rates of the device, measured in the same run.");
  app.add_option("--device", a.device, "auto, cpu, cuda or cuda:N")->capture_default_str();
  app.add_option("--threads", a.threads, "CPU threads; 0 takes one for each hardware thread");
  app.add_option("--bits", a.bits, "Widths, for example 2,3,4,8 (default: 4)")->delimiter(',');
  app.add_option("--group-size", a.group_size, "Columns per scale")->capture_default_str();
  app.add_option("--rows", a.rows, "Rows of input (default: 1 to 4096, on a CPU to 128)")->delimiter(',');
  CLI11_PARSE(app, argc, argv);
  try {
    const std::unique_ptr<Backend> backend = make_backend({a.device, a.threads});
    const bool cpu = backend->device().kind == Device::Kind::kCpu;
    if (a.rows.empty()) a.rows = {1, 2, 4, 8, 16, 32, 64, 128};
    if (app.count("--rows") == 0 && !cpu) a.rows.insert(a.rows.end(), {512, 2048, 4096});
    const DeviceRates rates = measure_device(*backend);
    std::printf("%s: %s %.1f GB/s, %s %.3f TFLOP/s (measured now)\n\n", to_string(backend->device()).c_str(),
                rates.memory_kind, rates.memory / 1e9, rates.products_kind, rates.products / 1e12);
    std::printf("%-20s %-7s %5s %11s %9s %8s %11s %8s\n", "matrix", "weights", "rows", "us", "GB/s",
                ("of " + std::string(rates.memory_kind)).c_str(), "TFLOP/s",
                ("of " + std::string(rates.products_kind)).c_str());
    for (const LinearShape& shape : kShapes) {
      for (const int bits : a.bits) {
        if (shape.dense && bits != a.bits.front()) continue;
        measure(*backend, rates, a, shape, bits);
      }
    }
  } catch (const Error& error) {
    std::fprintf(stderr, "linear_bench: %s\n", error.what());
    return error.exit_code();
  }
}
