// Device names, and making the backend of a device.
#include "backend/backend.h"

#include <charconv>

#include <gptq/error.h>

#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/cpu_features.h"
#include "backend/cuda_backend.h"

namespace gptq::backend {

namespace {

void require_gpu(const GpuState& state, int index) {
  const auto fail = [&](const std::string& reason) {
    throw Error(ErrorKind::kUsage,
                "selecting device cuda:" + std::to_string(index) + ": " + reason + "; or use --device cpu");
  };
  if (!state.problem.empty()) fail(state.problem);
  const int count = static_cast<int>(state.gpus.size());
  if (index >= count) {
    fail("this machine has " + std::to_string(count) + " GPU" + (count == 1 ? "" : "s") + ", numbered from 0");
  }
  const std::string& problem = state.gpus[static_cast<size_t>(index)].problem;
  if (!problem.empty()) fail(problem);
}

const std::string& chosen(const std::string& value, const char* name, const std::vector<std::string>& values) {
  if (std::find(values.begin(), values.end(), value) != values.end()) return value;
  std::string expected;
  for (const std::string& one : values) expected += (expected.empty() ? "" : " or ") + one;
  throw Error(ErrorKind::kUsage, std::string(name) + " is \"" + value + "\", expected " + expected);
}

}  // namespace

std::unique_ptr<Backend> make_backend(const ComputeOptions& options, DType activations) {
  const Device device = Device::parse(options.device);
  if (device.kind == Device::Kind::kCpu) {
    CpuPrecision precision;
    precision.int8_head = chosen(options.head_dtype, "head_dtype", {"auto", "int8", "stored"}) != "stored";
    precision.int8_prompts = chosen(options.activations, "activations", {"int16", "int8"}) == "int8";
    return make_cpu_backend(options.threads, precision);
  }
  return make_cuda_backend(device.index, activations == DType::kF16 ? DType::kF16 : DType::kBF16,
                           options.max_gpu_memory, options.threads);
}

}  // namespace gptq::backend

namespace gptq {

Device Device::parse(const std::string& name) {
  if (name == "cpu") return {};
  if (name == "auto") return backend::choose_automatically(backend::gpu_state()).device;
  const bool bare = name == "cuda", numbered = name.rfind("cuda:", 0) == 0;
  if (!bare && !numbered) {
    throw Error(ErrorKind::kUsage, "selecting device \"" + name + "\": expected auto, cpu or cuda:N");
  }
  Device device{Kind::kCuda, 0};
  if (numbered) {
    const char* end = name.data() + name.size();
    const auto [rest, error] = std::from_chars(name.data() + 5, end, device.index);
    if (error != std::errc() || rest != end || device.index < 0) {
      throw Error(ErrorKind::kUsage, "selecting device \"" + name + "\": expected a GPU's number, as in cuda:0");
    }
  }
  backend::require_gpu(backend::gpu_state(), device.index);
  return device;
}

DeviceChoice choose_device(const std::string& name) {
  const backend::GpuState state = name == "cpu" ? backend::GpuState{} : backend::gpu_state();
  DeviceChoice choice =
      name == "auto" ? backend::choose_automatically(state) : DeviceChoice{Device::parse(name), "", ""};
  choice.description = to_string(choice.device);
  if (choice.device.kind == Device::Kind::kCuda) {
    choice.description += " (" + state.gpus.at(static_cast<size_t>(choice.device.index)).name + ")";
  } else {
    choice.description += std::string(" (") + to_string(backend::instruction_set()) + ")";
  }
  return choice;
}

std::string to_string(const Device& device) {
  return device.kind == Device::Kind::kCpu ? "cpu" : "cuda:" + std::to_string(device.index);
}

}  // namespace gptq
