// Plans for the shape of a 7B model: what fits which GPU, and what is given up first.
#include "quantize/memory_plan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "backend/cuda/gptq/scratch.h"
#include "quantize/batches.h"
#include "tests/model/architectures.h"

namespace gptq::quantization {
namespace {

constexpr int64_t kGiB = int64_t{1} << 30;

struct Mistral {
  model::Architecture architecture;
  QuantizeOptions options;
  ModelPlan modules;
  MemoryProblem problem;

  explicit Mistral(bool gptaq = true)
      : architecture(testing::llama_architecture({4096, 14336, 32, 32, 8, 32768})), problem{architecture, modules} {
    modules = plan_modules(architecture, options);
    problem.lengths.assign(128, 2048);
    problem.gptaq = gptaq;
    problem.batch_rows = 16384;
    problem.activation_bytes = 2;
    problem.scratch_bytes = backend::cuda::scratch_bytes;
  }
};

TEST(MemoryPlan, UnlimitedKeepsEverything) {
  const Mistral m;
  const auto plan = plan_memory(m.problem, std::numeric_limits<int64_t>::max());
  ASSERT_TRUE(plan);
  EXPECT_TRUE(plan->keep_inputs);
  EXPECT_EQ(plan->batch_rows, 8 * 2048);
  EXPECT_EQ(plan->resident_batches, 16);
  EXPECT_EQ(plan->host_bytes(), 0);
  EXPECT_FALSE(plan->hessian_on_host);
  // 1.5 streams of 262144 tokens: 4096 values of the residual stream in fp32 and 14336 inputs in 16 bits.
  const int64_t streams = int64_t{262144} / 2 * 3 * (4096 * 4 + 14336 * 2);
  EXPECT_GT(plan->device_bytes, streams + 3 * kGiB);
  EXPECT_LT(plan->device_bytes, streams + 5 * kGiB);
}

TEST(MemoryPlan, LessMemoryGivesUpWhatCostsLeast) {
  const Mistral m;
  MemoryPlan last = *plan_memory(m.problem, std::numeric_limits<int64_t>::max());
  for (int64_t available = 24 * kGiB; available >= kGiB; available -= kGiB / 4) {
    const auto plan = plan_memory(m.problem, available);
    if (!plan) {
      EXPECT_LT(available, required_bytes(smallest_memory_plan(m.problem)));
      EXPECT_LT(available, 3 * kGiB + kGiB / 2) << "a GPU of 4 GiB has to do";
      return;
    }
    EXPECT_LE(required_bytes(*plan), available);
    EXPECT_LE(plan->keep_inputs, last.keep_inputs);
    EXPECT_LE(plan->batch_rows, last.batch_rows);
    if (plan->batch_rows == last.batch_rows && plan->hessian_on_host == last.hessian_on_host) {
      EXPECT_LE(plan->resident_batches, last.resident_batches);
    }
    // A stream is on the device or on the host.
    if (plan->resident_batches == 0) {
      EXPECT_EQ(plan->stream_host_bytes, int64_t{262144} / 2 * 3 * 4096 * 4);
    }
    last = *plan;
  }
  FAIL() << "a 7B model cannot be quantized in 1 GiB";
}

// The table of docs/quantize.md.
TEST(MemoryPlan, OfA7BModelOnSmallGpus) {
  const Mistral m;
  const int64_t driver = int64_t{640} << 20;
  struct Row {
    double cap;
    bool keep_inputs;
    int64_t rows, resident;
    double gib, host_gib;
  };
  for (const Row& row :
       {Row{24, true, 16384, 16, 21.0, 0}, Row{12, false, 16384, 16, 10.9, 0}, Row{8, false, 16384, 3, 7.4, 4.5},
        Row{6, false, 8192, 5, 5.6, 5.5}, Row{4, false, 4096, 0, 3.8, 6.8}}) {
    const auto plan = plan_memory(m.problem, static_cast<int64_t>(row.cap * kGiB) - driver);
    ASSERT_TRUE(plan) << row.cap;
    EXPECT_EQ(plan->keep_inputs, row.keep_inputs) << row.cap;
    EXPECT_EQ(plan->batch_rows, row.rows) << row.cap;
    EXPECT_EQ(plan->resident_batches, row.resident) << row.cap;
    EXPECT_NEAR(static_cast<double>(plan->device_bytes + driver) / kGiB, row.gib, 0.06) << row.cap;
    EXPECT_NEAR(static_cast<double>(plan->host_bytes()) / kGiB, row.host_gib, 0.06) << row.cap;
  }
}

TEST(MemoryPlan, SmallerProblemsNeedLess) {
  const Mistral with, without(false);
  EXPECT_LT(smallest_memory_plan(without.problem).device_bytes, smallest_memory_plan(with.problem).device_bytes);
  Mistral few;
  few.problem.lengths.resize(16);
  const int64_t most = std::numeric_limits<int64_t>::max();
  EXPECT_LT(plan_memory(few.problem, most)->device_bytes, plan_memory(with.problem, most)->device_bytes);
  Mistral one;
  one.problem.lengths = {32768};  // longer than a batch
  EXPECT_EQ(plan_memory(one.problem, most)->batch_rows, 32768);
  EXPECT_EQ(plan_memory(one.problem, most)->resident_batches, 1);
}

TEST(Batches, FollowTheSameWindowsWhateverTheirSize) {
  std::vector<int64_t> paired;
  for (const int64_t per_batch : {1, 3, 8, 100}) {
    std::vector<int64_t> all, now;
    bool behind = false;
    for (const WindowBatch& batch : make_batches(std::vector<int64_t>(21, 2048), {}, true, per_batch * 2048)) {
      EXPECT_LE(static_cast<int64_t>(batch.windows.size()), per_batch);
      EXPECT_FALSE(batch.windows.empty());
      EXPECT_FALSE(behind && batch.paired) << "paired batches come first";
      behind |= !batch.paired;
      all.insert(all.end(), batch.windows.begin(), batch.windows.end());
      if (batch.paired) now.insert(now.end(), batch.windows.begin(), batch.windows.end());
    }
    if (paired.empty()) paired = now;
    EXPECT_EQ(now, paired) << per_batch;
    std::sort(all.begin(), all.end());
    for (int64_t i = 0; i < 21; ++i) EXPECT_EQ(all[static_cast<size_t>(i)], i);
    EXPECT_EQ(all.size(), 21u);
  }
  EXPECT_EQ(paired, (std::vector<int64_t>{0, 1, 4, 5, 8, 9, 12, 13, 16, 17, 20}));
  for (const WindowBatch& batch : make_batches(std::vector<int64_t>(5, 2048), {}, false, 4096))
    EXPECT_FALSE(batch.paired);
}

TEST(Batches, HoldWindowsOfOneLength) {
  const std::vector<int64_t> lengths = {64, 64, 64, 40, 40, 7}, held = {64, 7, 7};
  std::vector<int64_t> order;
  for (const WindowBatch& batch : make_batches(lengths, held, true, 128)) {
    EXPECT_LE(batch.rows(), 128);
    for (const int64_t window : batch.windows) {
      const auto i = static_cast<size_t>(window);
      EXPECT_EQ(i < lengths.size() ? lengths[i] : held[i - lengths.size()], batch.length);
      EXPECT_EQ(i >= lengths.size(), batch.held);
      EXPECT_EQ(batch.paired, !batch.held) << "less than one stretch";
      order.push_back(window);
    }
  }
  EXPECT_EQ(order, (std::vector<int64_t>{0, 1, 2, 3, 4, 5, 6, 7, 8})) << "those held apart come last";
}

}  // namespace
}  // namespace gptq::quantization
