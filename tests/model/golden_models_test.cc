// Our logits against those of transformers (fp32) for every golden model.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include <gptq/error.h>

#include "backend/backend.h"
#include "checkpoint/checkpoint.h"
#include "model/model.h"
#include "tests/model/cached_sequence.h"

namespace gptq::model {
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
    const checkpoint::SafetensorsFile file(folder / "expected.safetensors");
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

struct GoldenCase {
  std::string name, device;
};

void PrintTo(const GoldenCase& c, std::ostream* out) { *out << c.name << " on " << c.device; }

class GoldenModel : public ::testing::TestWithParam<GoldenCase> {
 protected:
  void SetUp() override {
    try {
      backend_ = backend::make_backend({.device = GetParam().device, .threads = 2}, stored_dtype(checkpoint_));
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::kUsage) throw;
      GTEST_SKIP() << "not tested here: " << error.what();
    }
    model_ = std::make_unique<Model>(checkpoint_, *backend_);
  }

  // The largest difference allowed: 1e-3 of the largest logit, or what some layers of 16-bit activations leave.
  double tolerance() const {
    double highest = 0;
    for (float v : expected_.logits.values<float>()) highest = std::max(highest, std::abs(double{v}));
    const DType dtype = backend_->activation_dtype();
    return (dtype == DType::kF32 ? 1e-3 : dtype == DType::kF16 ? 1e-2 : 6e-2) * highest;
  }

  // Runs the tokens in pieces of `step` and returns the logits of every position.
  std::vector<float> run(int64_t step) {
    testing::CachedSequences sequence(*model_, 1, static_cast<int64_t>(expected_.tokens.size()));
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
    const int64_t vocab = model_->architecture().vocab_size;
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

  checkpoint::Checkpoint checkpoint_ = checkpoint::Checkpoint::open(kModels / GetParam().name);
  Expected expected_{kModels / GetParam().name};
  std::unique_ptr<Backend> backend_;
  std::unique_ptr<Model> model_;
};

TEST_P(GoldenModel, LogitsOfTheWholeSequenceMatchTransformers) {
  EXPECT_LE(largest_difference(run(static_cast<int64_t>(expected_.tokens.size()))), tolerance());
}

TEST_P(GoldenModel, LogitsTokenByTokenMatchTransformers) {
  if (model_->architecture().depends_on_length()) {
    GTEST_SKIP() << "cached keys keep the angles of their time, in transformers too";
  }
  EXPECT_LE(largest_difference(run(1)), tolerance());
  EXPECT_LE(largest_difference(run(7)), tolerance());
}

std::vector<GoldenCase> golden_cases() {
  std::vector<GoldenCase> cases;
  for (const std::string& name : golden_models()) {
    for (const char* device : {"cpu", "cuda:0"}) cases.push_back({name, device});
  }
  return cases;
}

INSTANTIATE_TEST_SUITE_P(All, GoldenModel, ::testing::ValuesIn(golden_cases()), [](const auto& test) {
  return test.param.name + (test.param.device == "cpu" ? "_cpu" : "_cuda");
});

}  // namespace
}  // namespace gptq::model
