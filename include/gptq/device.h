// Where the arithmetic runs.
#pragma once

#include <cstdint>
#include <string>

namespace gptq {

struct Device {
  enum class Kind { kCpu, kCuda };
  Kind kind = Kind::kCpu;
  int index = 0;  // which GPU

  // "auto" (the first GPU this build can use, else the CPU), "cpu", "cuda" or "cuda:N".
  // Throws Error(kUsage) for other words and for a device this build or machine does not have.
  static Device parse(const std::string& name);
};

std::string to_string(const Device& device);  // "cpu", "cuda:0"

struct ComputeOptions {
  std::string device = "auto";
  int threads = 0;             // CPU threads; 0 = one per hardware thread
  int64_t max_gpu_memory = 0;  // bytes of device memory to use at most; 0 = all that is free
};

}  // namespace gptq
