// Information about the machine.
#include <gptq/system.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <thread>

#include <gptq/error.h>

#include "backend/cpu/blas.h"
#include "backend/cpu/cpu_features.h"
#include "backend/cuda_backend.h"

namespace gptq::backend {

namespace {

std::string processor_name() {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);) {
    const size_t colon = line.find(": ");
    if (line.rfind("model name", 0) == 0 && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "";
}

}  // namespace

}  // namespace gptq::backend

namespace gptq {

SystemInfo system_info() {
  SystemInfo info;
  info.processor = backend::processor_name();
  info.instruction_set = to_string(backend::instruction_set());
  info.threads = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  info.memory = int64_t{::sysconf(_SC_PHYS_PAGES)} * ::sysconf(_SC_PAGESIZE);
  try {
    info.blas = backend::blas_description();
  } catch (const Error& error) {
    info.blas_problem = error.what();
  }
  backend::GpuState state = backend::gpu_state();
  info.gpu_targets = backend::gpu_targets();
  info.gpu_driver = state.driver;
  info.gpu_problem = state.problem;
  info.gpus = std::move(state.gpus);
  return info;
}

}  // namespace gptq
