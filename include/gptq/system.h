// What this machine offers: processor, memory, BLAS and GPUs, as the library sees them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace gptq {

struct Gpu {
  int index = 0;  // of "cuda:N"
  std::string name;
  int major = 0, minor = 0;  // compute capability
  int64_t memory = 0;        // bytes
  std::string problem;       // why this build cannot use it, and what to do; empty when it can
};

struct SystemInfo {
  std::string processor;        // its model's name
  std::string instruction_set;  // of the kernels that run: "portable", "avx2", "avx512"
  int threads = 0;              // hardware threads
  int64_t memory = 0;           // bytes
  std::string blas;             // OpenBLAS's own description; empty when it cannot be loaded
  std::string blas_problem;
  std::string gpu_targets;  // architectures this build has GPU code for, "86-real,90-virtual"; empty without CUDA
  std::string gpu_driver;   // the CUDA version that the driver supports; empty without a driver
  std::string gpu_problem;  // why no GPU can be used at all; or empty
  std::vector<Gpu> gpus;
};

// Looks, without using a GPU. Loads OpenBLAS.
SystemInfo system_info();

}  // namespace gptq
