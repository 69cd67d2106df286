// Which calibration windows form a batch, and which of them also run through the original model.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace gptq::quantization {

struct WindowBatch {
  std::vector<int64_t> windows;  // all of one length
  int64_t length = 0;
  bool paired = false;  // also run through the original model, for the comparison of GPTAQ
  bool held = false;    // held out of calibration; errors are measured on them

  int64_t rows() const { return static_cast<int64_t>(windows.size()) * length; }
};

// Batches of windows of one length, of up to `rows` tokens and at least one window: paired batches first, held-out
// batches (whose windows are numbered after the others) last. Windows of equal length are consecutive in both lists.
// With GPTAQ every second stretch of about 4096 tokens is paired, independently of the batch size, so that every device
// and every plan pairs the same windows.
std::vector<WindowBatch> make_batches(std::span<const int64_t> lengths, std::span<const int64_t> held, bool gptaq,
                                      int64_t rows);

}  // namespace gptq::quantization
