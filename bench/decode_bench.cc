// How fast are tokens made? Decode speed of model folders beside what memory bandwidth allows.
#include <gptq/gptq.h>

#include <cstdio>

#include "bench/bandwidth.h"

// decode_bench MODEL…: greedy decoding of 256 tokens, best of five runs. Reading every weight once for each token
// is the limit for models larger than the caches; one that fits in them can exceed 100 %.
int main(int argc, char** argv) {
  using namespace gptq;
  if (argc < 2) return std::fputs("usage: decode_bench MODEL...\n", stderr), 2;
  ThreadPool pool(0);
  std::printf("memory reads %.1f GB/s with %d threads (measured now)\n\n", bench::read_bandwidth(pool) / 1e9,
              pool.size());
  std::printf("%-32s %10s %12s %10s %18s\n", "model", "MB/token", "tokens/s", "GB/s", "% of bandwidth");
  try {
    for (int i = 1; i < argc; ++i) {
      Engine engine = Engine::open(argv[i]);
      Request request;
      request.tokens = engine.tokenizer().encode("It was a bright cold day in");
      request.max_new_tokens = 256;
      request.ignore_eos = true;
      double best = 0, share = 0;
      for (int run = 0; run < 5; ++run) {
        const double rate = engine.generate(request).tokens_per_second();
        // Each run beside a fresh measurement of the memory: neighbours come and go.
        share = std::max(share, rate * static_cast<double>(engine.weight_bytes()) / bench::read_bandwidth(pool));
        best = std::max(best, rate);
      }
      const double bytes = static_cast<double>(engine.weight_bytes());
      std::printf("%-32s %10.2f %12.0f %10.2f %17.0f%%\n", argv[i], bytes / 1e6, best, best * bytes / 1e9, 100 * share);
    }
  } catch (const Error& error) {
    std::fprintf(stderr, "decode_bench: %s\n", error.what());
    return error.exit_code();
  }
}
