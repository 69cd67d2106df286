// The cap on device memory: what it leaves, what goes past it, and freed memory that lies in pieces.
#include <memory>
#include <vector>

#include "backend/cuda/device/context.h"
#include "tests/backend/cases.h"

namespace gptq::backend {
namespace {

constexpr int64_t kMiB = int64_t{1} << 20;

std::unique_ptr<Backend> backend_with(int64_t pool_bytes) {
  ComputeOptions options{"cuda:0", 1};
  options.max_gpu_memory = static_cast<int64_t>(cuda::kDriverBytes) + pool_bytes;
  return make_backend(options);
}

void expect_error(ErrorKind kind, const std::function<void()>& body) {
  try {
    body();
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind) << error.what();
  }
}

class CudaMemory : public testing::Test {
 protected:
  void SetUp() override {
    try {
      Device::parse("cuda:0");
    } catch (const Error& error) {
      GTEST_SKIP() << "not tested here: " << error.what();
    }
  }
};

TEST_F(CudaMemory, TheCapIsKept) {
  const auto backend = backend_with(256 * kMiB);
  EXPECT_LE(backend->memory().available, 256 * kMiB);
  Matrix large = backend->allocate(DType::kU8, 200, kMiB);
  EXPECT_LE(backend->memory().available, 56 * kMiB);
  expect_error(ErrorKind::kOutOfMemory, [&] { backend->allocate(DType::kU8, 100, kMiB); });
  large = {};
  large = backend->allocate(DType::kU8, 100, kMiB);
  EXPECT_LE(backend->memory().peak, static_cast<int64_t>(cuda::kDriverBytes) + 256 * kMiB);
}

TEST_F(CudaMemory, FreedPiecesBecomeOneAgain) {
  const auto backend = backend_with(256 * kMiB);
  for (int round = 0; round < 3; ++round) {
    std::vector<Matrix> pieces;
    for (int i = 0; i < 14; ++i) pieces.push_back(backend->allocate(DType::kU8, 16, kMiB));
    pieces.clear();
    backend->clear(backend->allocate(DType::kU8, 220, kMiB).view());
  }
  backend->synchronize();
  EXPECT_LE(backend->memory().peak, static_cast<int64_t>(cuda::kDriverBytes) + 256 * kMiB);
}

TEST_F(CudaMemory, LessThanTheDriverTakesIsRefused) {
  expect_error(ErrorKind::kUsage, [&] { backend_with(0); });
}

}  // namespace
}  // namespace gptq::backend
