// From a device's name to the backend that drives it.
#include "backend/backend.h"

#include <charconv>

#include <gptq/error.h>

#include "backend/cpu/cpu_backend.h"
#include "backend/cuda_backend.h"

namespace gptq {

Device Device::parse(const std::string& name) {
  if (name == "cpu") return {};
  if (name == "auto") return cuda_device_count() > 0 ? Device{Kind::kCuda, 0} : Device{};
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
  require_cuda_device(device.index);
  return device;
}

std::string to_string(const Device& device) {
  return device.kind == Device::Kind::kCpu ? "cpu" : "cuda:" + std::to_string(device.index);
}

std::unique_ptr<Backend> make_backend(const ComputeOptions& options, DType activations) {
  const Device device = Device::parse(options.device);
  if (device.kind == Device::Kind::kCpu) return make_cpu_backend(options.threads);
  return make_cuda_backend(device.index, activations == DType::kF16 ? DType::kF16 : DType::kBF16,
                           options.max_gpu_memory, options.threads);
}

}  // namespace gptq
