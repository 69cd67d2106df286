// RoPE frequencies in all supported variants.
#include "model/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace gptq::model {

namespace {

constexpr double kTwoPi = 2.0 * std::numbers::pi;

// Llama 3.1: frequencies of long wavelengths are divided by `factor`, those of short ones kept, others interpolated.
double llama3(const RopeSpec& rope, double frequency) {
  const double original = static_cast<double>(rope.original_max_positions);
  const double wavelength = kTwoPi / frequency;
  if (wavelength < original / rope.high_freq_factor) return frequency;
  if (wavelength > original / rope.low_freq_factor) return frequency / rope.factor;
  const double mix = (original / wavelength - rope.low_freq_factor) / (rope.high_freq_factor - rope.low_freq_factor);
  return (1.0 - mix) * frequency / rope.factor + mix * frequency;
}

// The dimension whose wavelength makes `rotations` turns within the original context (YaRN, equation 17).
double yarn_dimension(const RopeSpec& rope, double d, double rotations) {
  return d * std::log(static_cast<double>(rope.original_max_positions) / (rotations * kTwoPi)) /
         (2.0 * std::log(rope.theta));
}

}  // namespace

std::vector<double> rope_frequencies(const RopeSpec& rope, int64_t length) {
  const double d = static_cast<double>(rope.rotary_dim);
  double theta = rope.theta;
  if (rope.type == RopeType::kDynamic && length > rope.original_max_positions) {
    const double growth = rope.factor * static_cast<double>(length) / static_cast<double>(rope.original_max_positions);
    theta *= std::pow(growth - (rope.factor - 1.0), d / (d - 2.0));
  }
  double low = 0, high = 1;
  if (rope.type == RopeType::kYarn) {
    low = yarn_dimension(rope, d, rope.beta_fast);
    high = yarn_dimension(rope, d, rope.beta_slow);
    if (rope.truncate) {
      low = std::floor(low);
      high = std::ceil(high);
    }
    low = std::max(low, 0.0);
    high = std::min(high, d - 1.0);
    if (low == high) high += 0.001;  // a ramp of no width would divide by zero
  }
  std::vector<double> frequencies;
  for (int64_t i = 0; i < rope.rotary_dim / 2; ++i) {
    const double frequency = std::pow(theta, -2.0 * static_cast<double>(i) / d);
    switch (rope.type) {
      case RopeType::kLinear: frequencies.push_back(frequency / rope.factor); break;
      case RopeType::kLlama3: frequencies.push_back(llama3(rope, frequency)); break;
      case RopeType::kYarn: {
        const double ramp = std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
        frequencies.push_back(frequency / rope.factor * ramp + frequency * (1.0 - ramp));
        break;
      }
      default: frequencies.push_back(frequency); break;
    }
  }
  return frequencies;
}

backend::RopeAngles RopeTable::angles(int64_t length) {
  const bool dynamic = spec_.type == RopeType::kDynamic;
  const int64_t original = spec_.original_max_positions;
  const bool stale = dynamic && length != length_ && (length > original || length_ > original);
  if (length > built_ || stale) build(length);
  return {cos_.view(), sin_.view()};
}

void RopeTable::build(int64_t length) {
  const std::vector<double> frequencies = rope_frequencies(spec_, length);
  const int64_t half = static_cast<int64_t>(frequencies.size());
  const bool exact = spec_.type == RopeType::kDynamic;
  const int64_t positions = exact ? length : std::max<int64_t>(2 * length, 256);
  std::vector<float> cos, sin;
  for (int64_t position = 0; position < positions; ++position) {
    for (double frequency : frequencies) {
      // transformers computes the angle in fp32; so does this code, for equal results with long contexts.
      const float angle = static_cast<float>(position) * static_cast<float>(frequency);
      cos.push_back(static_cast<float>(std::cos(double{angle}) * spec_.attention_factor));
      sin.push_back(static_cast<float>(std::sin(double{angle}) * spec_.attention_factor));
    }
  }
  cos_ = backend_.allocate(DType::kF32, positions, half);
  sin_ = backend_.allocate(DType::kF32, positions, half);
  backend_.upload(cos_.view(), cos);
  backend_.upload(sin_.view(), sin);
  built_ = positions;
  length_ = length;
}

}  // namespace gptq::model
