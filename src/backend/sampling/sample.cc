// The sampling chain on the host.
#include "backend/sampling/sample.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include <gptq/error.h>

namespace gptq::backend {

namespace {

void penalize(std::span<float> logits, std::span<const int> seen, float penalty) {
  std::vector<bool> done(logits.size());
  for (const int id : seen) {
    const size_t i = static_cast<size_t>(id);
    if (i >= logits.size() || done[i]) continue;
    done[i] = true;
    logits[i] = logits[i] > 0 ? logits[i] / penalty : logits[i] * penalty;
  }
}

// The largest logit, NaN apart; −∞ without one. In lanes, which the compiler turns into vectors.
float highest(std::span<const float> logits) {
  constexpr size_t kLanes = 16;
  float lanes[kLanes];
  std::fill_n(lanes, kLanes, -std::numeric_limits<float>::infinity());
  size_t i = 0;
  for (; i + kLanes <= logits.size(); i += kLanes) {
    for (size_t j = 0; j < kLanes; ++j) lanes[j] = logits[i + j] > lanes[j] ? logits[i + j] : lanes[j];
  }
  for (; i < logits.size(); ++i) lanes[0] = logits[i] > lanes[0] ? logits[i] : lanes[0];
  return *std::max_element(lanes, lanes + kLanes);
}

// The keys of the first `count` tokens, sorted; fewer if the others have no weight.
std::vector<uint64_t> first_keys(std::span<const float> logits, float best, float scale, size_t count) {
  std::vector<uint64_t> keys;
  for (size_t id = 0; id < logits.size(); ++id) {
    const uint32_t log_gap = log_gap_of(logits[id], best, scale);
    if (log_gap < kLogGaps) keys.push_back(rank_key(log_gap, static_cast<int>(id)));
  }
  if (count < keys.size()) {
    std::nth_element(keys.begin(), keys.begin() + static_cast<std::ptrdiff_t>(count), keys.end());
    keys.resize(count);
  }
  std::sort(keys.begin(), keys.end());
  return keys;
}

}  // namespace

int sample_token(std::span<float> logits, std::span<const int> seen, const Sampling& sampling, double uniform) {
  if (sampling.repetition_penalty != 1.0f) penalize(logits, seen, sampling.repetition_penalty);
  const float best = highest(logits);
  if (!std::isfinite(best)) return kNoToken;
  if (sampling.temperature == 0)
    return static_cast<int>(std::find(logits.begin(), logits.end(), best) - logits.begin());

  for (float& logit : logits) logit = std::isnan(logit) ? -std::numeric_limits<float>::infinity() : logit;
  const size_t count = sampling.top_k > 0 ? static_cast<size_t>(sampling.top_k) : logits.size();
  const std::vector<uint64_t> keys = first_keys(logits, best, log_gap_scale(sampling.temperature), count);
  std::vector<uint64_t> through;  // weight of the tokens up to each
  uint64_t weight = 0;
  for (const uint64_t key : keys) through.push_back(weight += weight_of(log_gap_of_key(key)));

  if (sampling.top_p < 1)
    weight = *std::lower_bound(through.begin(), through.end(), top_p_target(sampling.top_p, weight));
  if (sampling.min_p > 0) {
    const uint64_t least = min_p_weight(sampling.min_p);
    const auto end = std::partition_point(keys.begin(), keys.end(),
                                          [&](uint64_t key) { return weight_of(log_gap_of_key(key)) >= least; });
    weight = std::min(weight, through[static_cast<size_t>(end - keys.begin()) - 1]);
  }
  const auto drawn = std::lower_bound(through.begin(), through.end(), draw_target(uniform, weight));
  return id_of_key(keys[static_cast<size_t>(drawn - through.begin())]);
}

int require_sampled(int chosen) {
  if (chosen != kNoToken) return chosen;
  throw Error(ErrorKind::kNumerical,
              "sampling a token: the model's logits are NaN or infinite; its weights are damaged, or a number in its "
              "config.json is wrong (rms_norm_eps, rope_theta, rope_scaling)");
}

}  // namespace gptq::backend
