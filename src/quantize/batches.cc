// Cutting the calibration windows into batches.
#include "quantize/batches.h"

namespace gptq::quantization {

namespace {

constexpr int64_t kStretchTokens = 4096;  // of neighbouring windows, all paired or all not
constexpr int64_t kOriginalEvery = 2;     // every second stretch is paired

// For each window, whether the original model runs it.
std::vector<bool> choose_paired(std::span<const int64_t> lengths, bool gptaq) {
  std::vector<bool> paired;
  int64_t stretch = 0, filled = 0;
  for (const int64_t length : lengths) {
    if (filled > 0 && filled + length > kStretchTokens) {
      ++stretch;
      filled = 0;
    }
    filled += length;
    paired.push_back(gptaq && stretch % kOriginalEvery == 0);
  }
  return paired;
}

}  // namespace

std::vector<WindowBatch> make_batches(std::span<const int64_t> lengths, std::span<const int64_t> held, bool gptaq,
                                      int64_t rows) {
  std::vector<WindowBatch> batches;
  const auto add = [&](int64_t window, int64_t length, bool paired, bool apart) {
    const bool fits = !batches.empty() && batches.back().length == length && batches.back().paired == paired &&
                      batches.back().held == apart && batches.back().rows() + length <= rows;
    if (!fits) batches.push_back({{}, length, paired, apart});
    batches.back().windows.push_back(window);
  };
  const std::vector<bool> is_paired = choose_paired(lengths, gptaq);
  for (const bool paired : {true, false}) {
    for (size_t window = 0; window < lengths.size(); ++window) {
      if (is_paired[window] == paired) add(static_cast<int64_t>(window), lengths[window], paired, false);
    }
  }
  for (size_t i = 0; i < held.size(); ++i) add(static_cast<int64_t>(lengths.size() + i), held[i], false, true);
  return batches;
}

}  // namespace gptq::quantization
