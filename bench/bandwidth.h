// The yardstick of every bandwidth-bound number: how fast this machine reads memory right now.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <vector>

#include "core/threads.h"

namespace gptq::bench {

inline double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Best of several passes over 512 MiB with all threads, in bytes per second.
inline double read_bandwidth(ThreadPool& pool) {
  constexpr int64_t kWords = int64_t{64} << 20, kChunk = 1 << 16;
  static const std::vector<uint64_t> memory(kWords, 1);
  double best = 0;
  std::vector<uint64_t> sums(kWords / kChunk);
  for (int pass = 0; pass < 5; ++pass) {
    const auto start = std::chrono::steady_clock::now();
    pool.parallel_for(kWords / kChunk, [&](int64_t chunk) {
      using Lanes = uint64_t __attribute__((vector_size(64)));
      const Lanes* data = reinterpret_cast<const Lanes*>(memory.data() + chunk * kChunk);
      Lanes sum[4] = {};
      for (int64_t i = 0; i < kChunk / 8; i += 4) {
        for (int j = 0; j < 4; ++j) sum[j] += data[i + j];
      }
      sum[0] += sum[1] + sum[2] + sum[3];
      sums[static_cast<size_t>(chunk)] = sum[0][0];
    });
    best = std::max(best, static_cast<double>(kWords) * 8 / seconds_since(start));
  }
  return best;
}

}  // namespace gptq::bench
