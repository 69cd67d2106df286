// Decode steps of several sequences: each with its own token, position and sampling.
#include "backend/decode_runner.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include <gptq/error.h>

#include "backend/sampling/sample.h"
#include "checkpoint/checkpoint.h"
#include "model/model.h"
#include "tests/model/cached_sequence.h"

namespace gptq::model {
namespace {

const std::string kDemo = std::string(GPTQ_SOURCE_DIR) + "/models/demo";
constexpr int kVocabulary = 4000;  // of the model's 4096

class StepSampling : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    try {
      backend_ = backend::make_backend({.device = GetParam()});
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::kUsage) throw;
      GTEST_SKIP() << "not tested here: " << error.what();
    }
    const checkpoint::Checkpoint checkpoint = checkpoint::Checkpoint::open(kDemo);
    model_ = std::make_unique<Model>(checkpoint, *backend_);
  }

  // Prompts of different lengths in one cache, all but their last tokens run.
  testing::CachedSequences prefilled() {
    testing::CachedSequences cached(*model_, static_cast<int64_t>(prompts_.size()), 128);
    for (size_t s = 0; s < prompts_.size(); ++s) {
      cached.forward(std::span(prompts_[s]).first(prompts_[s].size() - 1), 1, static_cast<int64_t>(s));
      pages_.push_back(cached.pages(static_cast<int64_t>(s)));
    }
    return cached;
  }

  std::unique_ptr<DecodeRunner> make_runner(const testing::CachedSequences& cached) {
    return model_->make_decode_runner(cached.cache(), static_cast<int64_t>(prompts_.size()), cached.capacity(),
                                      kVocabulary);
  }

  std::vector<backend::DecodeSequence> sequences() const {
    std::vector<backend::DecodeSequence> result;
    for (size_t s = 0; s < prompts_.size(); ++s) {
      const std::vector<int>& prompt = prompts_[s];
      result.push_back({prompt.back(), static_cast<int>(prompt.size()) - 1, sampling_[s], prompt, pages_[s]});
    }
    return result;
  }

  std::vector<std::vector<double>> uniforms(int steps) const {  // [steps][S]
    std::mt19937_64 random(5);
    std::vector<std::vector<double>> result(static_cast<size_t>(steps));
    for (auto& row : result) {
      for (size_t s = 0; s < prompts_.size(); ++s) row.push_back(static_cast<double>(random() >> 11) * 0x1p-53);
    }
    return result;
  }

  const std::vector<std::vector<int>> prompts_ = {{1, 300, 301, 302}, {1, 500}, {1, 77, 78, 79, 80, 81, 82}, {1, 9}};
  const std::vector<Sampling> sampling_ = {{},
                                           {.temperature = 1.0f},
                                           {.temperature = 1.2f, .top_k = 30, .min_p = 0.01f},
                                           {.temperature = 0.0f, .repetition_penalty = 1.5f}};
  std::vector<std::vector<int32_t>> pages_;
  std::unique_ptr<Backend> backend_;
  std::unique_ptr<Model> model_;
};

TEST_P(StepSampling, EachSequenceFollowsItsOwnLogitsAndSampling) {
  constexpr int kSteps = 24;
  const testing::CachedSequences cached = prefilled();
  const std::unique_ptr<DecodeRunner> step = make_runner(cached);
  const auto draws = uniforms(kSteps);
  step->reset(sequences());
  std::vector<std::vector<int>> tokens = prompts_;
  for (int launched = 0, taken = 0; taken < kSteps; ++taken) {
    while (launched < kSteps && launched - taken < DecodeRunner::kMaxInFlight) {
      step->submit(draws[static_cast<size_t>(launched++)]);
    }
    const std::vector<int> chosen = step->wait();
    for (size_t s = 0; s < tokens.size(); ++s) tokens[s].push_back(chosen.at(s));
  }
  // The chain over the logits of whole sequences. On a GPU other kernels made those: a draw here and there differs.
  int same = 0;
  for (size_t s = 0; s < tokens.size(); ++s) {
    for (size_t t = 0; t < kSteps; ++t) {
      const std::span<const int> before = std::span(tokens[s]).first(prompts_[s].size() + t);
      testing::CachedSequences fresh(*model_, 1, 128);
      std::vector<float> logits = backend_->download(fresh.forward(before, 1));
      logits.resize(kVocabulary);
      same += backend::sample_token(logits, before, sampling_[s], draws[t][s]) == tokens[s][before.size()];
    }
  }
  const int all = kSteps * static_cast<int>(tokens.size());
  EXPECT_GE(same, backend_->device().kind == Device::Kind::kCpu ? all : all * 9 / 10);
}

TEST_P(StepSampling, ResetDiscardsWhatIsInFlight) {
  const testing::CachedSequences cached = prefilled();
  const std::unique_ptr<DecodeRunner> step = make_runner(cached);
  const auto draws = uniforms(6);
  std::vector<std::vector<int>> first;
  for (int untaken = 0; untaken <= DecodeRunner::kMaxInFlight; ++untaken) {
    step->reset(sequences());
    std::vector<std::vector<int>> chosen;
    for (const auto& row : draws) {
      step->submit(row);
      chosen.push_back(step->wait());
    }
    if (untaken == 0) first = chosen;
    EXPECT_EQ(chosen, first) << "after " << untaken << " submissions that nobody waited for";
    for (int i = 0; i <= untaken && i < DecodeRunner::kMaxInFlight; ++i) step->submit(draws[3]);
  }
}

INSTANTIATE_TEST_SUITE_P(Devices, StepSampling, ::testing::Values("cpu", "cuda:0"),
                         [](const auto& device) { return device.param.substr(0, device.param.find(':')); });

}  // namespace
}  // namespace gptq::model
