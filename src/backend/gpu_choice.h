// The GPUs that a build supports, and the device of "auto": pure functions, the same with and without CUDA.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <gptq/device.h>
#include <gptq/system.h>

namespace gptq::backend {

// One target architecture of the kernels.
struct GpuTarget {
  int major = 0, minor = 0;
  char feature = 0;   // 'a': for exactly this capability; 'f': for its family (the same major, minor or later)
  bool code = false;  // machine code
  bool ptx = false;   // PTX, which the driver compiles for newer GPUs
};

// CMAKE_CUDA_ARCHITECTURES with commas, "80-real,90a-real,90-virtual"; an entry without suffix has both.
// CHECKs the syntax.
std::vector<GpuTarget> parse_gpu_targets(const std::string& list);

// Why a GPU cannot run the kernels: "this build has code for ...; rebuild with ..."; empty if it can.
std::string unserved_reason(std::span<const GpuTarget> targets, const Gpu& gpu);

// The available GPUs, or why there are none.
struct GpuState {
  std::string problem;    // why no GPU is available: no CUDA in this build, no driver, ...; or empty
  std::string driver;     // the CUDA version that the driver supports, "13.0"; empty without a driver
  std::vector<Gpu> gpus;  // by number
};

// "auto": the first GPU without a problem, else the CPU. `note`: why not the GPU, or which GPUs are skipped.
DeviceChoice choose_automatically(const GpuState& state);

}  // namespace gptq::backend
