// Devices for computation, and the resources they may use.
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

// A device and the words for it.
struct DeviceChoice {
  Device device;
  std::string description;  // "cuda:0 (NVIDIA H100)", "cpu (avx512)"
  std::string note;         // of "auto": why not the GPU, or which GPUs were passed over and why; empty otherwise
};

// Device::parse with its reasons; throws like it.
DeviceChoice choose_device(const std::string& name);

struct ComputeOptions {
  std::string device = "auto";
  int threads = 0;             // CPU threads; 0 = one per hardware thread
  int64_t max_gpu_memory = 0;  // bytes of device memory to use at most; 0 = all that is free
};

}  // namespace gptq
