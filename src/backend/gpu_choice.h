// Which GPUs a build serves, and which device "auto" is: decisions on plain facts, the same with and without CUDA.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <gptq/device.h>
#include <gptq/system.h>

namespace gptq::backend {

// One architecture that the kernels were compiled for.
struct GpuTarget {
  int major = 0, minor = 0;
  char feature = 0;   // 'a': for exactly this capability; 'f': for its family (the same major, minor or later)
  bool code = false;  // machine code
  bool ptx = false;   // PTX, which the driver compiles for newer GPUs
};

// CMAKE_CUDA_ARCHITECTURES with commas, "80-real,90a-real,90-virtual"; an entry without ending has both.
// CHECKs its form.
std::vector<GpuTarget> parse_gpu_targets(const std::string& list);

// Why GPUs of this capability cannot run the kernels, as in "cuda:0 (NAME): ...; rebuild with ..."; empty
// when they can.
std::string unserved_reason(std::span<const GpuTarget> targets, const Gpu& gpu);

// What a build without CUDA, the driver or the runtime says, in this order of facts.
struct GpuState {
  std::string problem;    // why no GPU can be asked for at all: no CUDA in this build, no driver, ...; or empty
  std::string driver;     // the CUDA version that the driver supports, "13.0"; empty without a driver
  std::vector<Gpu> gpus;  // by their numbers
};

// "auto": the first GPU that has no problem, else the CPU. `note` says why not the GPU, or which ones are passed over.
DeviceChoice choose_automatically(const GpuState& state);

}  // namespace gptq::backend
