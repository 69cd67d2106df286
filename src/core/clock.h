// A stopwatch on the steady clock, in seconds.
#pragma once

#include <chrono>

namespace gptq {

inline double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace gptq
