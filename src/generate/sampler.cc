// The sampling chain.
#include "generate/sampler.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include <gptq/error.h>

namespace gptq {

namespace {

struct Candidate {
  TokenId id;
  float logit;
  double probability = 0;
};

void penalize(std::span<float> logits, std::span<const TokenId> seen, float penalty) {
  for (TokenId id : std::set<TokenId>(seen.begin(), seen.end())) {
    float& logit = logits[static_cast<size_t>(id)];
    logit = logit > 0 ? logit / penalty : logit * penalty;
  }
}

// Probabilities of candidates sorted by falling logit; they add up to 1.
void softmax(std::vector<Candidate>& candidates) {
  double total = 0;
  for (Candidate& c : candidates) total += c.probability = std::exp(double{c.logit} - candidates[0].logit);
  for (Candidate& c : candidates) c.probability /= total;
}

void keep_top_p(std::vector<Candidate>& candidates, float top_p) {
  double total = 0;
  size_t count = 0;
  while (count < candidates.size() && total < top_p) total += candidates[count++].probability;
  candidates.resize(std::max<size_t>(count, 1));
  softmax(candidates);
}

void keep_min_p(std::vector<Candidate>& candidates, float min_p) {
  const double least = min_p * candidates[0].probability;
  std::erase_if(candidates, [&](const Candidate& c) { return c.probability < least; });
  softmax(candidates);
}

}  // namespace

Sampler::Sampler(const Sampling& sampling) : sampling_(sampling), random_(sampling.seed) {
  const auto require = [](bool fine, const std::string& what) {
    if (!fine) throw Error(ErrorKind::kUsage, "setting up sampling: " + what);
  };
  require(sampling.temperature >= 0, "temperature must be 0 (greedy) or more");
  require(sampling.top_k >= 0, "top_k must be 0 (all tokens) or more");
  require(sampling.top_p > 0 && sampling.top_p <= 1, "top_p must be above 0 and at most 1");
  require(sampling.min_p >= 0 && sampling.min_p <= 1, "min_p must be between 0 and 1");
  require(sampling.repetition_penalty > 0, "repetition_penalty must be above 0 (1 = none)");
}

TokenId Sampler::sample(std::span<float> logits, std::span<const TokenId> seen, int vocab_size) {
  if (sampling_.repetition_penalty != 1.0f) penalize(logits, seen, sampling_.repetition_penalty);
  const auto allowed = logits.first(std::min(logits.size(), static_cast<size_t>(vocab_size)));
  if (sampling_.temperature == 0) {
    return static_cast<TokenId>(std::max_element(allowed.begin(), allowed.end()) - allowed.begin());
  }
  std::vector<Candidate> candidates;
  for (size_t id = 0; id < allowed.size(); ++id) {
    candidates.push_back({static_cast<TokenId>(id), allowed[id] / sampling_.temperature});
  }
  const size_t keep =
      sampling_.top_k > 0 ? std::min(candidates.size(), static_cast<size_t>(sampling_.top_k)) : candidates.size();
  std::partial_sort(
      candidates.begin(), candidates.begin() + static_cast<std::ptrdiff_t>(keep), candidates.end(),
      [](const Candidate& a, const Candidate& b) { return a.logit != b.logit ? a.logit > b.logit : a.id < b.id; });
  candidates.resize(keep);
  softmax(candidates);
  if (sampling_.top_p < 1) keep_top_p(candidates, sampling_.top_p);
  if (sampling_.min_p > 0) keep_min_p(candidates, sampling_.min_p);
  // 53 random bits as a number in [0, 1): std::uniform_real_distribution differs between libraries.
  double point = static_cast<double>(random_() >> 11) * 0x1p-53;
  for (const Candidate& c : candidates) {
    if (point < c.probability) return c.id;
    point -= c.probability;
  }
  return candidates.back().id;
}

}  // namespace gptq
