// A decode step for many sequences says what the forward pass says of each alone, on every device and kind of weight.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <random>

#include <gptq/error.h>
#include <gptq/quantize.h>

#include "backend/sampling/sample.h"
#include "checkpoint/checkpoint.h"
#include "model/families.h"
#include "model/model.h"
#include "tests/generate/demo.h"
#include "tests/model/cached_sequence.h"

namespace gptq::generate {

using backend::DecodeSequence;

namespace {

constexpr int kCapacity = 64;

struct Case {
  const char* name;
  const char* device;
  int bits;  // 16: the demo model as it is
  bool desc_act;
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

class DecodeSteps : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    try {
      Device::parse(GetParam().device);
    } catch (const Error& error) {
      GTEST_SKIP() << "not tested here: " << error.what();
    }
  }

  // The demo model in the bits of the case, by the quickest quantization there is.
  static std::string model() {
    const Case& c = GetParam();
    if (c.bits == 16) return kDemo;
    QuantizeOptions options;
    options.model = kDemo;
    options.output = ::testing::TempDir() + "/decode_step_" + c.name;
    options.compute.device = c.device;
    options.samples = 2;
    options.seqlen = 64;
    options.gptaq = 0;
    options.grid.bits = c.bits;
    options.grid.group_size = c.desc_act ? 32 : 64;
    options.grid.desc_act = c.desc_act;
    options.force = true;
    quantize(options);
    return options.output;
  }
};

std::vector<int> most_likely(const std::vector<float>& logits, size_t batch) {
  const std::ptrdiff_t width = static_cast<std::ptrdiff_t>(logits.size() / batch);
  std::vector<int> ids;
  for (auto row = logits.begin(); row != logits.end(); row += width)
    ids.push_back(static_cast<int>(std::max_element(row, row + width) - row));
  return ids;
}

std::vector<DecodeSequence> sequences(const std::vector<int>& tokens, const std::vector<int>& positions,
                                      const std::vector<std::vector<int32_t>>& pages) {
  std::vector<DecodeSequence> result;
  for (size_t s = 0; s < tokens.size(); ++s) {
    result.push_back({tokens[s], positions[s]});
    result.back().pages = pages[s];
  }
  return result;
}

// Steps with samplings of all kinds take what the host's chain takes from their own logits.
void expect_sampled(backend::DecodeRunner& step, backend::Backend& backend, std::vector<DecodeSequence> start,
                    int vocabulary) {
  const Sampling kinds[] = {{.temperature = 1.0f},
                            {.temperature = 0.8f, .top_k = 40, .top_p = 0.9f, .min_p = 0.02f},
                            {.temperature = 1.5f, .top_p = 0.95f, .repetition_penalty = 1.3f},
                            {.repetition_penalty = 1.3f}};
  std::vector<std::vector<int>> seen;
  for (size_t s = 0; s < start.size(); ++s) seen.push_back({static_cast<int>(s), start[s].token});
  for (size_t s = 0; s < start.size(); ++s) start[s].sampling = kinds[s % std::size(kinds)], start[s].seen = seen[s];
  std::mt19937_64 random(3);
  step.reset(start);
  for (int i = 0; i < 3; ++i) {
    std::vector<double> uniforms;
    for (size_t s = 0; s < start.size(); ++s) uniforms.push_back(static_cast<double>(random() >> 11) * 0x1p-53);
    step.submit(uniforms);
    const std::vector<int> chosen = step.wait();
    std::vector<float> logits = backend.download(step.logits());
    const size_t width = logits.size() / start.size();
    for (size_t s = 0; s < start.size(); ++s) {
      const auto row = std::span(logits).subspan(s * width, static_cast<size_t>(vocabulary));
      EXPECT_EQ(chosen[s], backend::sample_token(row, seen[s], start[s].sampling, uniforms[s])) << "sequence " << s;
      seen[s].push_back(chosen[s]);
    }
  }
}

TEST_P(DecodeSteps, EverySequenceAsIfAlone) {
  const std::string folder = model();
  const checkpoint::Checkpoint checkpoint = checkpoint::Checkpoint::open(folder);
  const auto backend = backend::make_backend({.device = GetParam().device}, model::stored_dtype(checkpoint));
  const double tolerance = backend->activation_dtype() == DType::kF32 ? 1e-5 : GetParam().bits == 2 ? 6e-2 : 2e-2;
  model::Model model(checkpoint, *backend);
  const int vocabulary = static_cast<int>(model.architecture().vocab_size);
  std::mt19937 random(1);
  const auto draw = [&] { return static_cast<int>(random() % static_cast<unsigned>(vocabulary)); };
  for (const size_t batch : {1, 6, 9, 33, 70}) {
    SCOPED_TRACE("batch " + std::to_string(batch));
    testing::CachedSequences cached(model, static_cast<int64_t>(batch), kCapacity);
    testing::CachedSequences alone(model, static_cast<int64_t>(batch), kCapacity);
    std::vector<std::vector<int32_t>> pages;
    std::vector<int> tokens, positions;
    for (size_t s = 0; s < batch; ++s) {
      std::vector<int> prompt(3 + 5 * s % 40);
      std::generate(prompt.begin(), prompt.end(), draw);
      cached.forward(prompt, 1, static_cast<int64_t>(s));
      alone.forward(prompt, 1, static_cast<int64_t>(s));
      pages.push_back(cached.pages(static_cast<int64_t>(s)));
      tokens.push_back(draw());
      positions.push_back(static_cast<int>(prompt.size()));
    }
    const auto step =
        model.make_decode_runner(cached.cache(), static_cast<int64_t>(batch), cached.capacity(), vocabulary);
    for (int i = 0; i < 3; ++i) {
      step->reset(sequences(tokens, positions, pages));
      step->submit({});
      const std::vector<int> chosen = step->wait();
      const std::vector<float> logits = backend->download(step->logits());
      EXPECT_EQ(chosen, most_likely(logits, batch));
      for (size_t s = 0; s < batch; ++s) {
        const std::vector<float> want = backend->download(alone.forward({&tokens[s], 1}, 1, static_cast<int64_t>(s)));
        double difference = 0, size = 0;
        for (size_t v = 0; v < want.size(); ++v) {
          difference += std::pow(double{want[v]} - logits[s * want.size() + v], 2);
          size += std::pow(double{want[v]}, 2);
        }
        ASSERT_LE(std::sqrt(difference / size), tolerance) << "sequence " << s << " step " << i;
        tokens[s] = draw();
        ++positions[s];
      }
    }
    // Submissions without a reset between them go on from the tokens they sampled.
    step->reset(sequences(tokens, positions, pages));
    step->submit({});
    step->submit({});
    const std::vector<int> first = step->wait(), second = step->wait();
    step->reset(sequences(tokens, positions, pages));
    step->submit({});
    EXPECT_EQ(step->wait(), first);
    for (int& position : positions) ++position;
    step->reset(sequences(first, positions, pages));
    step->submit({});
    EXPECT_EQ(step->wait(), second);
    expect_sampled(*step, *backend, sequences(first, positions, pages), vocabulary);
  }
  if (folder != kDemo) std::filesystem::remove_all(folder);
}

INSTANTIATE_TEST_SUITE_P(Weights, DecodeSteps,
                         ::testing::Values(Case{"cpu_dense", "cpu", 16, false}, Case{"cpu_4", "cpu", 4, false},
                                           Case{"cuda_dense", "cuda:0", 16, false}, Case{"cuda_2", "cuda:0", 2, false},
                                           Case{"cuda_3_act", "cuda:0", 3, true}, Case{"cuda_4", "cuda:0", 4, false},
                                           Case{"cuda_4_act", "cuda:0", 4, true}, Case{"cuda_8", "cuda:0", 8, false}),
                         [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace gptq::generate
