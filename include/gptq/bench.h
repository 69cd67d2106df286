// How fast a model loads, reads prompts and makes tokens, beside what the device can do.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <gptq/device.h>

namespace gptq {

struct BenchOptions {
  std::string model;                // folder
  std::vector<int> prompt_lengths;  // tokens of the prompts that are read; none: those of 128, 512, 2048 that fit
  std::vector<int> depths;          // tokens in the cache before the first measured one; none: those of 128, 1024, 4096
                                    // that fit the model's context together with `tokens`
  std::vector<int> batches = {1};   // sequences decoded side by side
  int tokens = 128;                 // made at each depth
  int repeat = 3;                   // measured runs of each row, after one that warms up
  ComputeOptions compute;
};

struct BenchRow {
  enum class Kind { kPrompt, kDecode };
  Kind kind = Kind::kPrompt;
  std::string name;  // "pp512": a prompt of 512 tokens. "tg128@d1024": 128 tokens made behind 1024
  int batch = 1;
  int tokens = 0;                                               // of each sequence, counted in the rate
  double median_seconds = 0, min_seconds = 0, max_seconds = 0;  // of one run
  double tokens_per_second = 0;                                 // of all sequences, from the median
  double operations_per_second = 0;  // prompts: 2 for each weight and token, and those of attention
  double bytes_per_second = 0;       // decoding: every weight once a step, and the cache that is read
  double share = 0;                  // of the GEMM rate (prompts) or the copy rate (decoding) of this run
};

struct BenchReport {
  std::string model, device;
  int64_t weight_bytes = 0;        // read for one step of decoding
  double load_seconds = 0;         // from the folder until the engine takes requests
  double first_token_seconds = 0;  // from the folder until the first token behind a prompt of 8
  double copy_rate = 0;            // bytes per second, read and written
  double gemm_rate = 0;            // operations per second of a dense 16-bit product
  std::vector<BenchRow> rows;
};

// `what` is being measured; return false to stop.
using BenchSink = std::function<bool(double fraction, const std::string& what)>;

// Loads the model and measures row by row with greedy decoding of random prompts; answers never end early. Throws what
// Engine throws, Error(kUsage) for numbers out of range or beyond the model's context (before the weights are read),
// Error(kInterrupted) when `on_progress` returns false.
BenchReport run_bench(const BenchOptions& options, const BenchSink& on_progress = {});

}  // namespace gptq
