// What the contract tests share: the backends under test, matrices in both memories, and how results are compared.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <memory>
#include <ostream>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <gptq/error.h>

#include "backend/backend.h"

namespace gptq::backend {

// ---- backends

struct BackendCase {
  std::string name;
  ComputeOptions options;
};

inline void PrintTo(const BackendCase& backend, std::ostream* out) { *out << backend.name; }

inline std::vector<BackendCase> backend_cases() {
  return {{"cpu_1_thread", {"cpu", 1}}, {"cpu_3_threads", {"cpu", 3}}, {"cuda", {"cuda:0", 1}}};
}

class ContractTest : public testing::TestWithParam<BackendCase> {
 protected:
  void SetUp() override {
    try {
      backend_ = make_backend(GetParam().options);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::kUsage) throw;
      GTEST_SKIP() << "not tested here: " << error.what();
    }
  }
  Backend& backend() const { return *backend_; }

  // Rounding of one activation, relative.
  double activation_eps() const {
    const DType dtype = backend_->activation_dtype();
    return dtype == DType::kF16 ? 0x1p-11 : dtype == DType::kBF16 ? 0x1p-8 : 0x1p-24;
  }

 private:
  std::unique_ptr<Backend> backend_;
};

#define GPTQ_EVERY_BACKEND(suite)                                               \
  INSTANTIATE_TEST_SUITE_P(Backends, suite, testing::ValuesIn(backend_cases()), \
                           [](const auto& backend_case) { return backend_case.param.name; })

// ---- matrices in host memory

struct Host {
  int64_t rows = 0, cols = 0;
  std::vector<float> values;

  Host(int64_t row_count, int64_t col_count, float value = 0.0f)
      : rows(row_count), cols(col_count), values(static_cast<size_t>(row_count * col_count), value) {}
  float& at(int64_t r, int64_t c) { return values[static_cast<size_t>(r * cols + c)]; }
  float at(int64_t r, int64_t c) const { return values[static_cast<size_t>(r * cols + c)]; }
  MatrixView view() { return {DType::kF32, reinterpret_cast<std::byte*>(values.data()), rows, cols, cols}; }
  double row_norm(int64_t r) const {
    double sum = 0;
    for (int64_t c = 0; c < cols; ++c) sum += double{at(r, c)} * at(r, c);
    return std::sqrt(sum);
  }
};

inline Host random_host(int64_t rows, int64_t cols, uint32_t seed, float deviation = 1.0f) {
  Host host(rows, cols);
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0f, deviation);
  for (float& value : host.values) value = normal(random);
  return host;
}

// ---- matrices in a backend's memory: columns of a wider matrix whose other columns must stay as they are

class Placed {
 public:
  static constexpr int64_t kMargin = 32;
  static constexpr float kSentinel = 0.375f, kIntegerSentinel = 77.0f;

  Placed(Backend& backend, int64_t rows, int64_t cols, bool strided)
      : Placed(backend, backend.activation_dtype(), rows, cols, strided) {}
  Placed(Backend& backend, DType dtype, int64_t rows, int64_t cols, bool strided)
      : backend_(backend),
        strided_(strided),
        whole_(backend.allocate(dtype, rows, cols + (strided ? 2 * kMargin : 0))) {
    fill(dtype == DType::kU8 ? kIntegerSentinel : kSentinel);
  }
  // `host` afterwards holds what the backend holds: values rounded to the matrix's type.
  Placed(Backend& backend, Host& host, bool strided) : Placed(backend, backend.activation_dtype(), host, strided) {}
  Placed(Backend& backend, DType dtype, Host& host, bool strided)
      : Placed(backend, dtype, host.rows, host.cols, strided) {
    backend.upload(view(), host.values);
    host.values = backend.download(view());
  }

  MatrixView view() const {
    const MatrixView all = whole_.view();
    return strided_ ? all.column_range(kMargin, all.cols - 2 * kMargin) : all;
  }
  Host host() const {
    Host result(view().rows, view().cols);
    result.values = backend_.download(view());
    if (strided_) expect_margins_untouched();
    return result;
  }

 private:
  void fill(float value) {
    const MatrixView all = whole_.view();
    backend_.upload(all, std::vector<float>(static_cast<size_t>(all.rows * all.cols), value));
  }
  void expect_margins_untouched() const {
    const MatrixView all = whole_.view();
    const float sentinel = all.dtype == DType::kU8 ? kIntegerSentinel : kSentinel;
    for (const int64_t begin : {int64_t{0}, all.cols - kMargin}) {
      for (const float value : backend_.download(all.column_range(begin, kMargin))) ASSERT_EQ(value, sentinel);
    }
  }

  Backend& backend_;
  bool strided_;
  Matrix whole_;
};

inline bool all_finite(Backend& backend, MatrixView x) {
  const Matrix found = backend.allocate(DType::kF32, 1, 1);
  backend.clear(found.view());
  backend.find_non_finite(found.view(), x);
  return backend.download(found.view())[0] == 0.0f;
}

// ---- comparison

constexpr double kEps = 0x1p-24;  // rounding of one fp32 operation, relative

// The largest error of each operation as a share of its tolerance, printed when the program ends.
inline std::map<std::string, double>& worst_ratios() {
  static std::map<std::string, double> ratios;
  return ratios;
}

class PrintWorstRatios : public testing::Environment {
 public:
  void TearDown() override {
    for (const auto& [what, ratio] : worst_ratios()) {
      std::printf("largest error: %6.3f of the tolerance  %s\n", ratio, what.c_str());
    }
  }
};

// tolerance(i): the largest |got − want| that rounding alone explains for element i.
inline void expect_close(const std::string& what, const std::vector<float>& got, const std::vector<float>& want,
                         const std::function<double(size_t)>& tolerance) {
  ASSERT_EQ(got.size(), want.size()) << what;
  double& worst = worst_ratios()[what];
  for (size_t i = 0; i < got.size(); ++i) {
    const double difference = std::abs(double{got[i]} - want[i]), allowed = tolerance(i);
    if (difference > 0) worst = std::max(worst, difference / allowed);
    ASSERT_TRUE(difference <= allowed) << what << ": element " << i << " is " << got[i] << ", expected " << want[i]
                                       << " ± " << allowed;
  }
}

}  // namespace gptq::backend
