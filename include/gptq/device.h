// Compute devices and resource limits.
#pragma once

#include <cstdint>
#include <string>

namespace gptq {

struct Device {
  enum class Kind { kCpu, kCuda };
  Kind kind = Kind::kCpu;
  int index = 0;  // of the GPU, as in "cuda:0"

  // "auto" (the first GPU that this build supports, else the CPU), "cpu", "cuda" or "cuda:N".
  // Throws Error(kUsage) for any other name, and for a device that the machine does not have or the build does not
  // support on this machine.
  static Device parse(const std::string& name);
};

std::string to_string(const Device& device);  // "cpu", "cuda:0"

// A device, its description, and the reason for choosing it.
struct DeviceChoice {
  Device device;
  std::string description;  // "cuda:0 (NVIDIA H100)", "cpu (avx512)"
  std::string note;         // for "auto": why no GPU was chosen, or which GPUs were skipped and why; else empty
};

// Like Device::parse, with a description and the reason. Throws the same errors.
DeviceChoice choose_device(const std::string& name);

struct ComputeOptions {
  std::string device = "auto";
  int threads = 0;             // CPU threads; 0 = one per hardware thread
  int64_t max_gpu_memory = 0;  // limit in bytes of GPU memory; 0 = all free memory
  // What a CPU computes with in quantized models (docs/cpu.md says what each costs):
  std::string head_dtype = "auto";  // of the output head and tied embedding: "int8", "stored", or "auto", which is int8
  std::string activations = "int16";  // of quantized linears: "int16", or "int8" for steps of more than 8 tokens
};

}  // namespace gptq
