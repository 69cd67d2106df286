// Which calibration windows run together, and which of them the original model runs too.
#pragma once

#include <cstdint>
#include <vector>

namespace gptq {

struct Batch {
  std::vector<int64_t> windows;
  bool followed = false;  // the original model runs them as well: GPTAQ compares the two
};

// Batches of up to `per_batch` windows, the followed ones first. With GPTAQ every second stretch of about 4096 tokens
// is followed, whatever the size of a batch, so that every device and every plan follows the same windows.
std::vector<Batch> make_batches(int64_t windows, int64_t window_tokens, bool gptaq, int64_t per_batch);

}  // namespace gptq
