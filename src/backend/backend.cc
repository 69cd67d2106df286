// From a device's name to the backend that drives it.
#include "backend/backend.h"

#include <gptq/error.h>

#include "backend/cpu/cpu_backend.h"

namespace gptq {

Device Device::parse(const std::string& name) {
  if (name == "auto" || name == "cpu") return {};
  if (name.rfind("cuda", 0) == 0) {
    throw Error(ErrorKind::kUsage,
                "selecting device \"" + name + "\": this build has no CUDA backend; use --device cpu");
  }
  throw Error(ErrorKind::kUsage, "selecting device \"" + name + "\": expected auto, cpu or cuda:N");
}

std::string to_string(const Device& device) {
  return device.kind == Device::Kind::kCpu ? "cpu" : "cuda:" + std::to_string(device.index);
}

std::unique_ptr<Backend> make_backend(const ComputeOptions& options) {
  Device::parse(options.device);  // throws for devices this build does not have
  return make_cpu_backend(options.threads);
}

}  // namespace gptq
