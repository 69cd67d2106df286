// From logits to the next token, in integers: equal logits produce equal tokens on all devices.
//
// With x = (best logit − logit) / temperature · log2 e, a token is 2^−x times as likely as the best one. This is
// represented by two integers:
//   log_gap   x in steps of 2⁻²⁶, rounded down                                     0 … kLogGaps − 1, or kLogGaps = none
//   weight    2^−x in steps of 2⁻⁴⁰, of the log_gap                                  2⁴⁰ … 1, or 0
// Tokens are sorted by key: ascending log_gap, then ascending id. Every cut keeps a prefix of this order, defined by a
// target for a sum over the prefix: of tokens for top-k, of weight for top-p and for the draw. Sums of integers do not
// depend on the order of summation, so a device may use any order.
#pragma once

#include <cstdint>
#include <span>

#include <gptq/sampling.h>

namespace gptq::backend {

inline constexpr int kNoToken = -1;

// The id sampled with `sampling`; `uniform` in [0, 1) selects from the cumulative distribution and is not used at
// temperature 0. The repetition penalty changes the logits of the ids in `seen` once, even if repeated; ids beyond V
// are ignored. NaN counts as −∞. Logits closer than temperature · 10⁻⁸ may count as equal. kNoToken if the best logit
// is infinite or none is a number.                                                                               [V]
int sample_token(std::span<float> logits, std::span<const int> seen, const Sampling& sampling, double uniform);

// Returns `chosen`. Throws Error(kNumerical) for kNoToken.
int require_sampled(int chosen);

// ---- the arithmetic, shared by all devices

inline constexpr uint32_t kLogGaps = 40u << 26;
inline constexpr uint64_t kMaxWeight = uint64_t{1} << 40;

// Steps of log_gap per unit of logit.
constexpr float log_gap_scale(float temperature) { return 0x1.715476p26f / temperature; }  // 2²⁶ · log2 e

// `best` is the highest logit.
constexpr uint32_t log_gap_of(float logit, float best, float scale) {
  if (logit == best) return 0;  // also if both are infinite
  const float log_gap = (best - logit) * scale;
  return log_gap < static_cast<float>(kLogGaps) ? static_cast<uint32_t>(log_gap) : kLogGaps;
}

// Does not increase with the log_gap.
constexpr uint64_t weight_of(uint32_t log_gap) {
  if (log_gap >= kLogGaps) return 0;
  // 2^−f = 1 − f·(c1 − f·(c2 − …)) for the fraction f in [0, 1), exact at both ends, relative error below 10⁻⁷.
  const uint64_t f = static_cast<uint32_t>(log_gap << 6);
  uint32_t factor = 0x003d94de;
  factor = 0x025a8645 - static_cast<uint32_t>(f * factor >> 32);
  factor = 0x0e275966 - static_cast<uint32_t>(f * factor >> 32);
  factor = 0x3d7c413c - static_cast<uint32_t>(f * factor >> 32);
  factor = 0xb171d93d - static_cast<uint32_t>(f * factor >> 32);
  return (kMaxWeight - ((f * factor >> 32) << 8)) >> (log_gap >> 26);
}

constexpr uint64_t rank_key(uint32_t log_gap, int id) { return uint64_t{log_gap} << 32 | static_cast<uint32_t>(id); }
constexpr uint32_t log_gap_of_key(uint64_t key) { return static_cast<uint32_t>(key >> 32); }
constexpr int id_of_key(uint64_t key) { return static_cast<int>(static_cast<uint32_t>(key)); }

// The minimum sum of the weights kept by top-p.
constexpr uint64_t top_p_target(float top_p, uint64_t weight) {
  const double share = static_cast<double>(top_p) * static_cast<double>(weight);
  const uint64_t whole = static_cast<uint64_t>(share);
  const uint64_t target = static_cast<double>(whole) < share ? whole + 1 : whole;
  return target < 1 ? 1 : target < weight ? target : weight;
}

// The minimum weight kept by min-p.
constexpr uint64_t min_p_weight(float min_p) {
  const double share = static_cast<double>(min_p) * static_cast<double>(kMaxWeight);
  const uint64_t whole = static_cast<uint64_t>(share);
  return static_cast<double>(whole) < share ? whole + 1 : whole;
}

// The drawn token is the first one at which the cumulative weight reaches this target.
constexpr uint64_t draw_target(double uniform, uint64_t weight) {
  const uint64_t below = static_cast<uint64_t>(uniform * static_cast<double>(weight));
  return (below < weight ? below : weight - 1) + 1;
}

}  // namespace gptq::backend
