// Measures how fast a model loads, processes prompts (prefill) and generates tokens (decode), and compares the last two
// with the rates that the device reaches on plain copies and matrix products.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <gptq/device.h>

namespace gptq {

struct BenchOptions {
  std::string model;                // path of the model folder
  std::vector<int> prompt_lengths;  // tokens per prompt; empty: those of 128, 512, 2048 that fit the context
  std::vector<int> depths;          // tokens in the KV cache before the first measured one; empty: those of 128, 1024,
                                    // 4096 that fit the context together with `tokens`
  std::vector<int> batches = {1};   // numbers of sequences decoded together
  int tokens = 128;                 // tokens generated at each depth
  int repeat = 3;                   // measured runs of each row, after one warm-up run
  ComputeOptions compute;
};

struct BenchRow {
  enum class Kind { kPrompt, kDecode };
  Kind kind = Kind::kPrompt;
  std::string name;  // "pp512": a prompt of 512 tokens; "tg128@d1024": 128 tokens generated after 1024
  int batch = 1;
  int tokens = 0;                                               // per sequence
  double median_seconds = 0, min_seconds = 0, max_seconds = 0;  // over the measured runs
  double tokens_per_second = 0;                                 // of all sequences together, from the median
  double operations_per_second = 0;  // prompts: 2 per weight and token, plus those of attention
  double bytes_per_second = 0;       // decoding: all weights once per step, plus the KV cache entries attended to
  double share = 0;                  // fraction of product_rate (prompts) or memory_rate (decoding)
};

struct BenchReport {
  std::string model, device;
  int64_t weight_bytes = 0;        // weights read per decoding step
  double load_seconds = 0;         // time of Engine::open
  double first_token_seconds = 0;  // load_seconds plus the time to the first token after a prompt of 8
  // Measured in the same run. On a GPU "copy": bytes read plus bytes written per second by a device copy, and "gemm":
  // operations per second of a dense 16-bit matrix product. On a CPU "read": bytes per second of memory that is read,
  // and "int8": operations per second of products of 8-bit integers, of which exact activations need two each.
  double memory_rate = 0, product_rate = 0;
  std::string memory_kind, product_kind;
  std::vector<BenchRow> rows;
};

// Called on the thread that called run_bench, with the completed fraction of the work (0 to 1) and the next step:
// "loading", "device" or the name of a row. Return false to stop.
using BenchSink = std::function<bool(double fraction, const std::string& what)>;

// Loads the model and measures each row with random prompts and greedy decoding that ignores end-of-sequence tokens.
// Throws the errors of Engine, Error(kUsage) for a number that is out of range or exceeds the model's context (before
// the weights are read), and Error(kInterrupted) when `on_progress` returns false.
BenchReport run_bench(const BenchOptions& options, const BenchSink& on_progress = {});

}  // namespace gptq
