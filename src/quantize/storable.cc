// Checking biases before the run, and scales as they are found.
#include "quantize/storable.h"

#include <cmath>

#include <gptq/error.h>

#include "core/half.h"
#include "core/json.h"

namespace gptq::quantization {

namespace {

constexpr float kLargestHalf = 65504.0f;

std::string skip(const std::string& module) {
  std::string pattern;
  for (const char c : module) pattern += c == '.' ? std::string("\\.") : std::string(1, c);
  return "exclude it with --skip '" + pattern + "'";
}

std::string number(float value) { return Json(value).dump(); }

}  // namespace

void check_biases(const checkpoint::Checkpoint& checkpoint, const ModelPlan& plan) {
  for (const LayerPlan& layer : plan.layers) {
    for (const SetPlan& set : layer.sets) {
      for (const backend::LinearSpec& linear : set.set.linears) {
        if (!set.grid || !linear.bias) continue;
        const std::string module = layer.prefix + linear.name, name = module + ".bias";
        const Tensor bias = to_float32(checkpoint.tensor(name, {linear.out_features}), name);
        const std::span<const float> values = bias.values<float>();
        for (size_t i = 0; i < values.size(); ++i) {
          if (std::isfinite(to_float(to_half(values[i])))) continue;
          throw Error(ErrorKind::kNumerical,
                      "quantizing " + module + ": value " + std::to_string(i) + " of " + name + " is " +
                          (std::isfinite(values[i]) ? number(values[i]) : std::string("NaN or infinity")) +
                          ", and a GPTQ checkpoint holds biases in fp16, up to 65504; " + skip(module));
        }
      }
    }
  }
}

void check_solved(const std::string& module, std::span<const float> scales, double error) {
  for (const float scale : scales) {
    if (scale < kLargestHalf) continue;
    throw Error(ErrorKind::kNumerical, "quantizing " + module +
                                           ": its weights need scales beyond fp16, in which a GPTQ checkpoint holds "
                                           "them, up to 65504; " +
                                           skip(module));
  }
  if (std::isfinite(error)) return;
  throw Error(ErrorKind::kNumerical, "quantizing " + module +
                                         ": the error of its output is not a number, sums over the calibration inputs "
                                         "overflow; check the model with another tool, or " +
                                         skip(module));
}

}  // namespace gptq::quantization
