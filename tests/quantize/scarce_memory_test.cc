// Quantizing with little memory, with less than was there at the start, and on a device that goes away.
#include <gtest/gtest.h>

#include <climits>
#include <set>
#include <tuple>

#include "backend/cpu/cpu_backend.h"
#include "backend/cuda/gptq/scratch.h"
#include "model/families.h"
#include "quantize/memory_plan.h"
#include "quantize/quantize_with.h"
#include "tests/quantize/demo_model.h"
#include "tests/quantize/scarce_backend.h"

namespace gptq::quantization {
namespace {

using backend::Scarcity;
using testing::contents;
using testing::quick_options;
using testing::TempFolder;

constexpr int64_t kMost = INT64_MAX;

QuantizeReport quantize_scarcely(const QuantizeOptions& options, Scarcity& scarcity) {
  const BackendMaker make = [&](const ComputeOptions&, DType) {
    return std::make_unique<backend::ScarceBackend>(backend::make_cpu_backend(2), scarcity);
  };
  return quantize_with(make, options, {}, {});
}

// The demo model with the settings of quick_options().
struct Problem {
  checkpoint::Checkpoint checkpoint = checkpoint::Checkpoint::open(testing::demo_model());
  model::Architecture architecture = model::read_architecture(checkpoint.config(), "config.json");
  ModelPlan modules;
  MemoryProblem memory{architecture, modules};

  explicit Problem(const QuantizeOptions& options) : modules(plan_modules(architecture, options)) {
    memory.lengths.assign(static_cast<size_t>(options.samples), options.seqlen);
    memory.held.assign(4, options.seqlen);  // there is text enough
    memory.gptaq = options.gptaq > 0;
    memory.true_sequential = options.true_sequential;
    memory.batch_rows = Scarcity().batch_rows;
    memory.scratch_bytes = backend::cuda::scratch_bytes;
  }
};

struct Case {
  double gptaq;
  bool true_sequential;
};

class ScarceMemory : public ::testing::TestWithParam<Case> {
 protected:
  QuantizeOptions options(const fs::path& output) const {
    QuantizeOptions o = quick_options(output);
    o.samples = 7;
    o.gptaq = GetParam().gptaq;
    o.true_sequential = GetParam().true_sequential;
    return o;
  }
};

TEST_P(ScarceMemory, EveryPlanGivesTheSameBytes) {
  const TempFolder folder;
  QuantizeOptions o = options(folder / "roomy");
  Scarcity roomy;
  quantize_scarcely(o, roomy);
  constexpr int kGroups = 6 * 4;  // the Hessian of each on the windows that are held apart waits in host memory
  EXPECT_EQ(roomy.fetched, kGroups);
  EXPECT_EQ(roomy.stored, kGroups);
  const auto wanted = contents(folder / "roomy");

  const Problem problem(o);
  std::set<std::tuple<bool, int64_t, bool>> seen;
  int64_t available = kMost;
  while (const auto plan = plan_memory(problem.memory, available)) {
    available = required_bytes(*plan) - 1;
    if (!seen.emplace(plan->keep_inputs, plan->resident_batches, plan->hessian_on_host).second) continue;
    o.output = folder / ("plan" + std::to_string(seen.size()));
    Scarcity scarcity;
    scarcity.available = required_bytes(*plan);
    quantize_scarcely(o, scarcity);
    EXPECT_EQ(scarcity.fetched > kGroups, plan->host_bytes() > 0);
    EXPECT_TRUE(contents(o.output) == wanted) << "keep " << plan->keep_inputs << ", resident " << plan->resident_batches
                                              << ", Hessian on the host " << plan->hessian_on_host;
  }
  EXPECT_GE(seen.size(), 3u);
}

TEST_P(ScarceMemory, OutOfMemoryOnTheWayIsAnsweredByASmallerPlan) {
  const TempFolder folder;
  QuantizeOptions o = options(folder / "whole");
  Scarcity counting;
  quantize_scarcely(o, counting);
  const auto wanted = contents(folder / "whole");
  for (const int share : {1, 10, 45, 80, 99}) {
    o.output = folder / ("share" + std::to_string(share));
    Scarcity scarcity;
    scarcity.allocation_that_fails = counting.allocations * share / 100;
    const testing::LogCapture log;
    const QuantizeReport report = quantize_scarcely(o, scarcity);
    EXPECT_TRUE(contents(o.output) == wanted) << share;
    EXPECT_EQ(report.modules.size(), 42u) << "each module is reported once";
    EXPECT_EQ(report.resumed_layers, 0);
    ASSERT_FALSE(report.notes.empty());
    EXPECT_NE(report.notes.back().find("the test took the memory"), std::string::npos) << report.notes.back();
    EXPECT_FALSE(fs::exists(o.output + ".partial"));
  }
}

INSTANTIATE_TEST_SUITE_P(Methods, ScarceMemory, ::testing::Values(Case{1.0, true}, Case{0.0, true}, Case{0.0, false}));

TEST(ScarceDevice, TooLittleMemoryIsSaidBeforeAnythingIsWritten) {
  const TempFolder folder;
  const QuantizeOptions options = quick_options(folder / "out");
  Scarcity scarcity;
  scarcity.available = 1 << 20;
  testing::expect_error(ErrorKind::kOutOfMemory, {"needs at least 0.1 GiB", "--gptaq 0", "found 0.0 GiB", "--seqlen"},
                        [&] { quantize_scarcely(options, scarcity); });
  EXPECT_EQ(scarcity.allocations, 0);
  EXPECT_FALSE(fs::exists(folder / "out"));
  EXPECT_FALSE(fs::exists(folder / "out.partial"));
}

TEST(ScarceDevice, MemoryThatStaysAwayIsAnError) {
  const TempFolder folder;
  const QuantizeOptions options = quick_options(folder / "out");
  Scarcity scarcity;
  scarcity.allocations_that_fail = INT_MAX;
  scarcity.allocation_that_fails = 0;
  testing::expect_error(ErrorKind::kOutOfMemory, {"the test took the memory"},
                        [&] { quantize_scarcely(options, scarcity); });
  EXPECT_FALSE(fs::exists(folder / "out.partial"));
}

TEST(ScarceDevice, ALostDeviceLeavesWhatIsFinished) {
  const TempFolder folder;
  QuantizeOptions options = quick_options(folder / "whole");
  Scarcity roomy;
  quantize_scarcely(options, roomy);
  options.output = folder / "out";
  Scarcity early;
  early.solve_that_is_lost = 2;  // in the first layer
  testing::expect_error(ErrorKind::kGeneral, {"took the device"}, [&] { quantize_scarcely(options, early); });
  EXPECT_FALSE(fs::exists(folder / "out.partial")) << "nothing to go on from";

  Scarcity scarcity;
  scarcity.solve_that_is_lost = 4 * 3 + 2;  // in the fourth
  testing::expect_error(ErrorKind::kGeneral, {"took the device"}, [&] { quantize_scarcely(options, scarcity); });
  EXPECT_FALSE(fs::exists(folder / "out"));
  EXPECT_TRUE(fs::exists(folder / "out.partial"));
  EXPECT_FALSE(fs::exists(folder / "out.partial/model/config.json")) << "no reader takes it for a model";
  options.resume = true;
  Scarcity again;
  const QuantizeReport report = quantize_scarcely(options, again);
  EXPECT_EQ(report.resumed_layers, 3);
  EXPECT_EQ(report.modules.size(), 42u);
  EXPECT_TRUE(contents(folder / "whole") == contents(folder / "out"));
}

// Plans on a real GPU: the same bytes, and memory that stays under the cap.
TEST(GpuMemory, CapsAreKeptAndChangeNothing) {
  const TempFolder folder;
  QuantizeOptions options = quick_options(folder / "roomy");
  options.samples = 96;
  options.seqlen = 512;
  options.compute.device = "cuda:0";
  int64_t driver = 0;
  Problem problem(options);
  try {
    const auto backend = backend::make_backend(options.compute);
    driver = backend->memory().peak;
    problem.memory.batch_rows = backend->capabilities().batch_rows;
    problem.memory.activation_bytes = 2;
  } catch (const Error& error) {
    GTEST_SKIP() << "not tested here: " << error.what();
  }
  quantize(options);
  const auto wanted = contents(folder / "roomy");
  const int64_t whole = plan_memory(problem.memory, kMost)->batch_rows;
  std::set<std::tuple<bool, int64_t, bool>> seen;
  int64_t available = kMost;
  while (const auto plan = plan_memory(problem.memory, available)) {
    available = required_bytes(*plan) - 1;
    if (!seen.emplace(plan->keep_inputs, plan->resident_batches, plan->hessian_on_host).second) continue;
    options.output = folder / ("plan" + std::to_string(seen.size()));
    options.compute.max_gpu_memory = driver + required_bytes(*plan);
    const QuantizeReport report = quantize(options);
    EXPECT_TRUE(report.notes.empty()) << report.notes.back();
    EXPECT_LE(report.gpu_peak_bytes, options.compute.max_gpu_memory);
    if (plan->batch_rows == whole) {
      EXPECT_TRUE(contents(options.output) == wanted)
          << "keep " << plan->keep_inputs << ", resident " << plan->resident_batches;
    }
  }
  EXPECT_GE(seen.size(), 3u);
}

}  // namespace
}  // namespace gptq::quantization
