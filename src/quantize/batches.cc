// Cutting the calibration windows into batches.
#include "quantize/batches.h"

#include <algorithm>

namespace gptq {

namespace {

constexpr int64_t kStretchTokens = 4096;  // of neighbouring windows that are followed, or not, together
constexpr int64_t kOriginalEvery = 2;     // every second stretch is followed

}  // namespace

std::vector<Batch> make_batches(int64_t windows, int64_t window_tokens, bool gptaq, int64_t per_batch) {
  const int64_t stretch = std::max<int64_t>(1, kStretchTokens / window_tokens);
  std::vector<Batch> batches;
  for (const bool followed : {true, false}) {
    bool full = true;
    for (int64_t window = 0; window < windows; ++window) {
      if ((gptaq && window / stretch % kOriginalEvery == 0) != followed) continue;
      if (full) batches.push_back({{}, followed});
      batches.back().windows.push_back(window);
      full = static_cast<int64_t>(batches.back().windows.size()) == per_batch;
    }
  }
  return batches;
}

}  // namespace gptq
