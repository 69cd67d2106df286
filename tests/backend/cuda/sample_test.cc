// The sampling chain on the device takes the tokens that the host takes, to the last one.
#include "backend/cuda/sampling/sample.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "backend/cuda/runtime/launch.h"
#include "backend/sampling/sample.h"

namespace gptq::backend::cuda {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

class CudaChoose : public testing::Test {
 protected:
  void SetUp() override {
    int count = 0;
    if (cudaGetDeviceCount(&count) != cudaSuccess || count == 0) GTEST_SKIP() << "not tested here: there is no GPU";
    context_ = std::make_unique<Context>(0, 0);
  }

  // One row of logits for each sequence, with margins that must not be read, and how its token is chosen.
  struct Batch {
    int vocabulary = 0;
    std::vector<std::vector<float>> logits;
    std::vector<Sampling> sampling;
    std::vector<double> uniforms;
    std::vector<std::vector<int>> seen;
  };

  // The device's tokens; positions, record and marks are checked on the way.
  std::vector<int32_t> choose(const Batch& batch) {
    const size_t rows = batch.logits.size(), vocabulary = static_cast<size_t>(batch.vocabulary);
    const size_t stride = vocabulary + 3;
    std::vector<float> logits(rows * stride, kInfinity);
    std::vector<uint8_t> marks(rows * vocabulary);
    for (size_t b = 0; b < rows; ++b) {
      std::copy(batch.logits[b].begin(), batch.logits[b].end(), logits.begin() + static_cast<ptrdiff_t>(b * stride));
      for (const int id : batch.seen[b]) marks[b * vocabulary + static_cast<size_t>(id)] = 1;
    }
    const std::vector<int32_t> zeros(rows);
    const Buffer logits_buffer = buffer(logits), sampling = buffer(batch.sampling), uniforms = buffer(batch.uniforms),
                 seen = buffer(marks), tokens = buffer(zeros), positions = buffer(zeros), record = buffer(zeros);
    SampleArgs p;
    p.logits = logits_buffer.as<float>();
    p.stride = static_cast<int64_t>(stride);
    p.batch = static_cast<int>(rows);
    p.vocabulary = batch.vocabulary;
    p.sampling = sampling.as<Sampling>();
    p.uniforms = uniforms.as<double>();
    p.seen = seen.as<uint8_t>();
    p.tokens = tokens.as<int32_t>();
    p.positions = positions.as<int32_t>();
    p.record = record.as<int32_t>();
    launch_sample(*context_, p, false);
    const std::vector<int32_t> chosen = fetch<int32_t>(record, rows);
    std::vector<int32_t> read_next = chosen;
    for (int32_t& token : read_next) token = token == kNoToken ? 0 : token;
    EXPECT_EQ(fetch<int32_t>(tokens, rows), read_next);
    EXPECT_EQ(fetch<int32_t>(positions, rows), std::vector<int32_t>(rows, 1));
    for (size_t b = 0; b < rows; ++b) {
      if (chosen[b] != kNoToken && batch.sampling[b].repetition_penalty != 1.0f) {
        marks.at(b * vocabulary + static_cast<size_t>(chosen[b])) = 1;
      }
    }
    EXPECT_EQ(fetch<uint8_t>(seen, marks.size()), marks);
    return chosen;
  }

  void expect_host_choices(const Batch& batch, const std::string& what) {
    const std::vector<int32_t> chosen = choose(batch);
    for (size_t b = 0; b < chosen.size(); ++b) {
      const Sampling& s = batch.sampling[b];
      std::vector<float> logits = batch.logits[b];
      EXPECT_EQ(chosen[b], sample_token(logits, batch.seen[b], s, batch.uniforms[b]))
          << what << ": row " << b << " of " << batch.vocabulary << " logits, temperature " << s.temperature
          << ", top-k " << s.top_k << ", top-p " << s.top_p << ", min-p " << s.min_p << ", penalty "
          << s.repetition_penalty << ", uniform " << batch.uniforms[b];
    }
  }

  // A quarter of all settings with each other, the next time another one; each with a uniform of its own. Logits
  // come from `make`.
  template <typename Make>
  Batch grid(int vocabulary, const Make& make) {
    Batch batch;
    batch.vocabulary = vocabulary;
    int count = turn_++;
    for (const float temperature : {0.0f, 0.6f, 1.0f, 3.0f}) {
      for (const int top_k : {0, 1, 50, 1500, 6000, 1 << 30}) {
        for (const float top_p : {1.0f, 0.95f, 0.3f}) {
          for (const float min_p : {0.0f, 0.02f, 1.0f}) {
            for (const float penalty : {1.0f, 1.2f}) {
              if (count++ % 4 != 0) continue;
              batch.sampling.push_back({temperature, top_k, top_p, min_p, penalty});
              batch.uniforms.push_back(static_cast<double>(random_() >> 11) * 0x1p-53);
              batch.logits.push_back(make());
              batch.seen.emplace_back();
              for (int i = 0; i < 30; ++i) {
                batch.seen.back().push_back(static_cast<int>(random_() % static_cast<uint64_t>(vocabulary)));
              }
            }
          }
        }
      }
    }
    batch.uniforms[0] = 0;
    batch.uniforms.back() = 1 - 0x1p-53;
    return batch;
  }

  std::vector<float> normal_logits(int vocabulary, float deviation) {
    std::normal_distribution<float> normal(0, deviation);
    std::vector<float> logits(static_cast<size_t>(vocabulary));
    for (float& logit : logits) logit = normal(random_);
    return logits;
  }

  std::mt19937_64 random_{7};
  int turn_ = 0;

 private:
  template <typename T>
  Buffer buffer(const std::vector<T>& values) {
    return to_device(*context_, std::span<const T>(values));
  }
  template <typename T>
  std::vector<T> fetch(const Buffer& from, size_t count) {
    std::vector<T> values(count);
    GPTQ_CUDA(cudaMemcpyAsync(values.data(), from.as(), count * sizeof(T), cudaMemcpyDeviceToHost, context_->stream()));
    context_->synchronize();
    return values;
  }

  std::unique_ptr<Context> context_;
};

// Peaked as a language model's logits, nearly flat, and in between.
TEST_F(CudaChoose, TakesWhatTheHostTakes) {
  for (const int vocabulary : {1, 2, 31, 1000, 4096, 8191}) {
    for (const float deviation : {0.05f, 1.0f, 4.0f}) {
      expect_host_choices(grid(vocabulary, [&] { return normal_logits(vocabulary, deviation); }), "normal");
    }
  }
}

TEST_F(CudaChoose, LargeVocabularies) {
  for (const int vocabulary : {32768, 151937, 262144}) {
    for (const float deviation : {0.3f, 3.0f}) {
      const Batch all = grid(vocabulary, [] { return std::vector<float>(); });
      Batch batch;
      batch.vocabulary = vocabulary;
      for (size_t row = 0; row < all.uniforms.size(); row += 3) {
        batch.logits.push_back(normal_logits(vocabulary, deviation));
        batch.sampling.push_back(all.sampling[row]);
        batch.uniforms.push_back(all.uniforms[row]);
        batch.seen.push_back(all.seen[row]);
      }
      expect_host_choices(batch, "large");
    }
  }
}

TEST_F(CudaChoose, EqualLogitsStandInTheOrderOfTheirIds) {
  for (const int vocabulary : {5, 3000, 32768}) {
    expect_host_choices(grid(vocabulary, [&] { return std::vector<float>(static_cast<size_t>(vocabulary), 2.0f); }),
                        "all equal");
    expect_host_choices(grid(vocabulary,
                             [&] {
                               std::vector<float> logits = normal_logits(vocabulary, 3);
                               for (float& logit : logits) logit = std::round(logit);
                               return logits;
                             }),
                        "few values");
  }
}

TEST_F(CudaChoose, LogitsThatAreNoNumbers) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const int vocabulary : {3, 2000}) {
    const auto mixed = [&] {
      std::vector<float> logits = normal_logits(vocabulary, 3);
      for (float& logit : logits) {
        const uint64_t kind = random_() % 4;
        logit = kind == 0 ? -kInfinity : kind == 1 ? nan : logit;
      }
      return logits;
    };
    expect_host_choices(grid(vocabulary, mixed), "mixed");
    for (const float value : {nan, -kInfinity, kInfinity}) {
      expect_host_choices(grid(vocabulary, [&] { return std::vector<float>(static_cast<size_t>(vocabulary), value); }),
                          "all " + std::to_string(value));
      expect_host_choices(grid(vocabulary,
                               [&] {
                                 std::vector<float> logits = normal_logits(vocabulary, 3);
                                 logits[static_cast<size_t>(vocabulary) / 2] = value;
                                 return logits;
                               }),
                          "one " + std::to_string(value));
    }
  }
}

TEST_F(CudaChoose, DrawsFollowTheSoftmax) {
  constexpr int kDraws = 20000, kIds = 300;
  Batch batch;
  batch.vocabulary = kIds;
  Sampling s;
  s.temperature = 0.8f;
  batch.logits.assign(kDraws, normal_logits(kIds, 1));
  batch.sampling.assign(kDraws, s);
  batch.seen.resize(kDraws);
  for (int i = 0; i < kDraws; ++i) batch.uniforms.push_back(static_cast<double>(random_() >> 11) * 0x1p-53);
  std::vector<int> counts(kIds);
  for (const int32_t id : choose(batch)) ++counts.at(static_cast<size_t>(id));
  double total = 0, chi_square = 0;
  for (const float logit : batch.logits[0]) total += std::exp(double{logit} / s.temperature);
  for (size_t id = 0; id < kIds; ++id) {
    const double expected = kDraws * std::exp(double{batch.logits[0][id]} / s.temperature) / total;
    chi_square += std::pow(counts[id] - expected, 2) / expected;
  }
  EXPECT_LT(chi_square, kIds - 1 + 4 * std::sqrt(2.0 * (kIds - 1)));  // four standard deviations
}

}  // namespace
}  // namespace gptq::backend::cuda
