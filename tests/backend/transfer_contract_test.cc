// Matrices that wait in host memory: what comes back, and the order of transfers and operations.
#include "tests/backend/cases.h"

namespace gptq::backend {
namespace {

class TransferContract : public ContractTest {
 protected:
  Matrix device(const Host& host) {
    Matrix matrix = backend().allocate(DType::kF32, host.rows, host.cols);
    backend().upload(matrix.view(), host.values);
    return matrix;
  }
  Matrix host(const Host& values) {
    Matrix matrix = backend().allocate_host(DType::kF32, values.rows, values.cols);
    const Matrix from = device(values);
    backend().store(matrix.view(), from.view());
    return matrix;
  }
  std::vector<float> read(const Matrix& host) {
    const Matrix to = backend().allocate(DType::kF32, host.rows(), host.cols());
    backend().fetch(to.view(), host.view());
    backend().await_fetches();
    return backend().download(to.view());
  }
};

TEST_P(TransferContract, WhatIsStoredComesBack) {
  for (const auto& [rows, cols] : {std::pair<int64_t, int64_t>{1, 1}, {3, 65}, {700, 1024}}) {
    const Host values = random_host(rows, cols, 1);
    EXPECT_EQ(read(host(values)), values.values);
  }
  const Host values = random_host(96, 32, 2);
  const Matrix waiting = host(values), part = backend().allocate(DType::kF32, 40, 32);
  backend().fetch(part.view(), waiting.view().row_range(20, 40));
  backend().await_fetches();
  EXPECT_EQ(backend().download(part.view()),
            std::vector<float>(values.values.begin() + 20 * 32, values.values.begin() + 60 * 32));
  backend().fetch(part.view().row_range(0, 0), waiting.view().row_range(0, 0));
}

// What quantization does: two windows, the next batch comes and the one before goes while one is worked on.
TEST_P(TransferContract, BatchesThroughTwoWindows) {
  constexpr int64_t kRows = 512, kCols = 1024, kBatches = 7;
  constexpr int kAdds = 12, kPasses = 3;
  const Matrix one = device(Host(kRows, kCols, 1.0f));
  std::vector<Matrix> waiting;
  for (int64_t b = 0; b < kBatches; ++b) waiting.push_back(host(Host(kRows, kCols, static_cast<float>(100 * b))));
  const Matrix windows[] = {device(Host(kRows, kCols)), device(Host(kRows, kCols))};
  for (int pass = 0; pass < kPasses; ++pass) {
    backend().fetch(windows[0].view(), waiting[0].view());
    for (size_t b = 0; b < waiting.size(); ++b) {
      backend().await_fetches();
      if (b + 1 < waiting.size()) backend().fetch(windows[(b + 1) % 2].view(), waiting[b + 1].view());
      for (int i = 0; i < kAdds; ++i) backend().add(windows[b % 2].view(), one.view());
      backend().store(waiting[b].view(), windows[b % 2].view());
    }
  }
  for (int64_t b = 0; b < kBatches; ++b) {
    const std::vector<float> want(static_cast<size_t>(kRows * kCols), static_cast<float>(100 * b + kAdds * kPasses));
    EXPECT_TRUE(read(waiting[static_cast<size_t>(b)]) == want) << b;
  }
}

TEST_P(TransferContract, MatricesMayBeFreedWhileTheyTravel) {
  constexpr int64_t kRows = 2048, kCols = 1024;
  const Matrix waiting = backend().allocate_host(DType::kF32, kRows, kCols);
  for (int round = 1; round <= 4; ++round) {
    const float value = static_cast<float>(round);
    {
      const Matrix from = device(Host(kRows, kCols, value));
      backend().store(waiting.view(), from.view());
    }
    const Matrix other = backend().allocate(DType::kF32, kRows, kCols);  // perhaps the same memory
    backend().clear(other.view());
    EXPECT_TRUE(read(waiting) == std::vector<float>(static_cast<size_t>(kRows * kCols), value)) << round;
    {
      const Matrix to = backend().allocate(DType::kF32, kRows, kCols);
      backend().fetch(to.view(), waiting.view());
    }
    const Matrix next = backend().allocate(DType::kF32, kRows, kCols);
    backend().clear(next.view());
    EXPECT_TRUE(backend().download(next.view()) == std::vector<float>(static_cast<size_t>(kRows * kCols))) << round;
  }
}

TEST_P(TransferContract, MemoryIsCounted) {
  const DeviceMemory before = backend().memory();
  EXPECT_GT(before.available, 0);
  const Matrix matrix = backend().allocate(DType::kF32, 1 << 14, 1 << 10);
  const DeviceMemory after = backend().memory();
  if (backend().device().kind == Device::Kind::kCpu) {
    EXPECT_EQ(after.available, before.available);
    EXPECT_EQ(after.peak, 0);
  } else {
    EXPECT_LE(after.available, before.available - (int64_t{32} << 20));
    EXPECT_GE(after.peak, before.peak + (int64_t{64} << 20));
  }
}

GPTQ_EVERY_BACKEND(TransferContract);

}  // namespace
}  // namespace gptq::backend
