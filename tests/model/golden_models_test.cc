// Our logits against those of transformers (fp32) for every golden model.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "backend/cpu/cpu_backend.h"
#include "checkpoint/checkpoint.h"
#include "model/model.h"
#include "tests/model/cached_sequence.h"

namespace gptq {
namespace {

const fs::path kModels = fs::path(GPTQ_SOURCE_DIR) / "tests/golden/models";

std::vector<std::string> golden_models() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(kModels)) {
    if (fs::exists(entry.path() / "expected.safetensors")) names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

struct Expected {
  std::vector<int> tokens;
  std::vector<int64_t> positions;
  Tensor logits;  // [positions, V]

  explicit Expected(const fs::path& folder) {
    const SafetensorsFile file(folder / "expected.safetensors");
    tokens = integers<int>(file.tensor("input_ids"));
    positions = integers<int64_t>(file.tensor("positions"));
    logits = to_float32(file.tensor("logits"), "logits");
  }

  template <typename T>
  static std::vector<T> integers(const TensorView& view) {
    std::vector<T> values;
    for (int64_t i = 0; i < view.size(); ++i) {
      int64_t value;
      std::memcpy(&value, view.data + i * 8, 8);
      values.push_back(static_cast<T>(value));
    }
    return values;
  }
};

class GoldenModel : public ::testing::TestWithParam<std::string> {
 protected:
  GoldenModel()
      : backend_(make_cpu_backend(2)),
        checkpoint_(Checkpoint::open(kModels / GetParam())),
        model_(checkpoint_, *backend_),
        expected_(kModels / GetParam()) {}

  // The largest difference allowed: 1e-3 of the largest logit.
  double tolerance() const {
    double highest = 0;
    for (float v : expected_.logits.values<float>()) highest = std::max(highest, std::abs(double{v}));
    return 1e-3 * highest;
  }

  // Runs the tokens in pieces of `step` and returns the logits of every position.
  std::vector<float> run(int64_t step) {
    testing::CachedSequences sequence(model_, 1, static_cast<int64_t>(expected_.tokens.size()));
    std::vector<float> logits;
    for (size_t at = 0; at < expected_.tokens.size(); at += static_cast<size_t>(step)) {
      const size_t count = std::min(static_cast<size_t>(step), expected_.tokens.size() - at);
      const auto part = std::span(expected_.tokens).subspan(at, count);
      const std::vector<float> rows = backend_->download(sequence.forward(part, static_cast<int64_t>(count)));
      logits.insert(logits.end(), rows.begin(), rows.end());
    }
    return logits;
  }

  double largest_difference(const std::vector<float>& logits) const {
    const int64_t vocab = model_.architecture().vocab_size;
    double largest = 0;
    for (size_t i = 0; i < expected_.positions.size(); ++i) {
      for (int64_t v = 0; v < vocab; ++v) {
        const double want = expected_.logits.values<float>()[i * static_cast<size_t>(vocab) + static_cast<size_t>(v)];
        const double got = logits[static_cast<size_t>(expected_.positions[i] * vocab + v)];
        largest = std::max(largest, std::abs(got - want));
      }
    }
    return largest;
  }

  std::unique_ptr<Backend> backend_;
  Checkpoint checkpoint_;
  Model model_;
  Expected expected_;
};

TEST_P(GoldenModel, LogitsOfTheWholeSequenceMatchTransformers) {
  EXPECT_LE(largest_difference(run(static_cast<int64_t>(expected_.tokens.size()))), tolerance());
}

TEST_P(GoldenModel, LogitsTokenByTokenMatchTransformers) {
  if (model_.architecture().depends_on_length()) {
    GTEST_SKIP() << "cached keys keep the angles of their time, in transformers too";
  }
  EXPECT_LE(largest_difference(run(1)), tolerance());
  EXPECT_LE(largest_difference(run(7)), tolerance());
}

INSTANTIATE_TEST_SUITE_P(All, GoldenModel, ::testing::ValuesIn(golden_models()), [](const auto& test) {
  std::string name = test.param;
  std::replace_if(
      name.begin(), name.end(), [](char c) { return !std::isalnum(static_cast<unsigned char>(c)); }, '_');
  return name;
});

}  // namespace
}  // namespace gptq
