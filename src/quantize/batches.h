// Which calibration windows run together, and which of them the original model runs too.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace gptq::quantization {

struct WindowBatch {
  std::vector<int64_t> windows;  // all of one length
  int64_t length = 0;
  bool paired = false;  // the original model runs them as well: GPTAQ compares the two
  bool held = false;    // they do not calibrate: errors are measured on them

  int64_t rows() const { return static_cast<int64_t>(windows.size()) * length; }
};

// Batches of windows of one length, of up to `rows` tokens and at least one window: the paired ones first, those that
// are held apart (numbered behind the others) last. Windows of equal length stand together in both lists. With GPTAQ
// every second stretch of about 4096 tokens is paired, whatever the size of a batch, so that every device and every
// plan follows the same windows.
std::vector<WindowBatch> make_batches(std::span<const int64_t> lengths, std::span<const int64_t> held, bool gptaq,
                                      int64_t rows);

}  // namespace gptq::quantization
