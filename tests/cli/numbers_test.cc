// What the program decides from numbers: estimates of time, load of the machine, verdicts.
#include <gtest/gtest.h>

#include <cmath>

#include "apps/cli/machine_load.h"
#include "apps/cli/numbers.h"
#include "apps/cli/progress.h"
#include "apps/cli/quantize_report.h"

namespace gptq::cli {
namespace {

TEST(SecondsToGo, NothingBeforeTwoPercentAndASecond) {
  EXPECT_FALSE(seconds_to_go(100, 0, 0.019));
  EXPECT_FALSE(seconds_to_go(0.5, 0, 0.5));
  EXPECT_FALSE(seconds_to_go(5, 0.5, 0.51)) << "what an earlier run did does not count";
  ASSERT_TRUE(seconds_to_go(10, 0, 0.25));
  EXPECT_NEAR(*seconds_to_go(10, 0, 0.25), 30, 1e-9);
  EXPECT_NEAR(*seconds_to_go(10, 0.5, 0.75), 10, 1e-9);
  EXPECT_NEAR(*seconds_to_go(10, 0, 0.02), 490, 1e-6);
}

TEST(LoadWarning, AboveHalfOfTheHardwareThreads) {
  EXPECT_EQ(load_warning(0, 2), "");
  EXPECT_EQ(load_warning(1.0, 2), "");
  EXPECT_NE(load_warning(1.1, 2).find("load average is 1.1 on 2 hardware threads"), std::string::npos);
  EXPECT_EQ(load_warning(7.9, 16), "");
  EXPECT_NE(load_warning(20, 16), "");
  EXPECT_EQ(load_warning(20, 0), "") << "unknown";
}

TEST(HumanRange, OneUnitForBoth) {
  EXPECT_EQ(human_range(0.2, 0.4), "less than 1 s");
  EXPECT_EQ(human_range(0.6, 3), "1 to 3 s");
  EXPECT_EQ(human_range(7.2, 20.4), "7 to 20 s");
  EXPECT_EQ(human_range(45, 100), "45 to 100 s");
  EXPECT_EQ(human_range(130, 290), "2 to 5 min");
  EXPECT_EQ(human_range(3000, 7000), "50 to 117 min");
  EXPECT_EQ(human_range(9000, 20000), "2.5 to 5.6 h");
}

TEST(HumanShare, TwoDigits) {
  EXPECT_EQ(human_share(0.00966), "0.97 %");
  EXPECT_EQ(human_share(0.0000213), "0.0021 %");
  EXPECT_EQ(human_share(0.1234), "12 %");
  EXPECT_EQ(human_share(1.5), "150 %");
  EXPECT_EQ(human_share(0.01), "1.0 %");
  EXPECT_EQ(human_share(0), "0 %");
}

QuantizeReport report_of(const std::vector<std::pair<double, int64_t>>& modules) {
  QuantizeReport report;
  for (const auto& [error, bytes] : modules) {
    ModuleReport module;
    module.error = error;
    module.bytes_in = bytes;
    report.modules.push_back(module);
  }
  return report;
}

TEST(Verdict, OfTheMeanErrorWeighedBySize) {
  EXPECT_EQ(verdict(0.00002), "good");
  EXPECT_EQ(verdict(0.01), "good");
  EXPECT_EQ(verdict(0.011), "acceptable");
  EXPECT_EQ(verdict(0.04), "acceptable");
  EXPECT_EQ(verdict(0.041), "poor");
  EXPECT_DOUBLE_EQ(mean_error(report_of({{0.01, 100}, {0.05, 300}})), 0.04);
  EXPECT_EQ(mean_error(report_of({})), 0);
}

// Where the built-in text calibrates in windows so long that none can be held out.
TEST(QuantizeReports, ErrorsThatWereNotMeasuredAreSaidAndNull) {
  QuantizeReport report;
  report.errors_meaningful = false;
  report.output = std::string(GPTQ_SOURCE_DIR) + "/models/demo";
  ModuleReport module;
  module.name = "a.q_proj";
  module.error = std::nan("");
  report.modules.push_back(module);
  EXPECT_NE(report_text(report, false).find("not meaningful: the calibration text has too few tokens"),
            std::string::npos);
  const Json json = report_json(report);
  EXPECT_EQ(json["errors_meaningful"], false);
  EXPECT_NE(json["errors_reason"].get<std::string>().find("too few tokens"), std::string::npos);
  EXPECT_TRUE(json["mean_error"].is_null());
  EXPECT_TRUE(json["modules"][0]["error"].is_null());
}

}  // namespace
}  // namespace gptq::cli
