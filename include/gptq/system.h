// The machine: processor, memory, BLAS and GPUs, as detected by the library.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace gptq {

struct Gpu {
  int index = 0;  // N of "cuda:N"
  std::string name;
  int major = 0, minor = 0;  // compute capability
  int64_t memory = 0;        // bytes
  std::string problem;       // why this build cannot use it, and what to do; else empty
};

struct SystemInfo {
  std::string processor;        // model name
  std::string instruction_set;  // of the selected CPU kernels: "portable", "avx2", "avx512"
  int threads = 0;              // hardware threads
  int64_t memory = 0;           // bytes
  std::string blas;             // OpenBLAS's description of itself; empty if it cannot be loaded
  std::string blas_problem;     // why OpenBLAS cannot be loaded; otherwise empty
  std::string gpu_targets;      // architectures this build has GPU code for, "86-real,90-virtual"; empty without CUDA
  std::string gpu_driver;       // the CUDA version that the driver supports; empty without a driver
  std::string gpu_problem;      // why no GPU can be used; otherwise empty
  std::vector<Gpu> gpus;
};

// Describes the machine. Loads OpenBLAS; allocates no GPU memory.
SystemInfo system_info();

}  // namespace gptq
