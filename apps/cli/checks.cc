// Facts about build and machine, each with a verdict.
#include "checks.h"

#include <fmt/format.h>
#include <unistd.h>
#include <filesystem>

#include <gptq/gptq.h>

#include "numbers.h"

namespace gptq::cli {

namespace {

namespace fs = std::filesystem;

// The folder itself or, if missing, its nearest existing parent.
std::string existing_folder(fs::path path) {
  while (!path.empty() && !fs::exists(path) && path.has_parent_path() && path != path.parent_path()) {
    path = path.parent_path();
  }
  return path.string();
}

Check cache_check(const std::string& cache) {
  const std::string folder = existing_folder(cache);
  if (!fs::is_directory(folder) || access(folder.c_str(), W_OK) != 0) {
    return {"cache", false, fmt::format("{}, which cannot be written (set HF_HOME or HF_HUB_CACHE)", cache)};
  }
  std::error_code error;
  const fs::space_info space = fs::space(folder, error);
  return {"cache", true,
          error ? cache : fmt::format("{}, {} free", cache, human_bytes(static_cast<int64_t>(space.available)))};
}

void add_machine(std::vector<Check>& all, const SystemInfo& info) {
  all.push_back({"processor", true,
                 fmt::format("{}{}{} threads, {}", info.processor, info.processor.empty() ? "" : ", ", info.threads,
                             human_bytes(info.memory))});
  all.push_back({"instructions", info.instruction_set != "portable", info.instruction_set});
  all.push_back({"blas", info.blas_problem.empty(), info.blas_problem.empty() ? info.blas : info.blas_problem});
}

void add_gpus(std::vector<Check>& all, const SystemInfo& info) {
  const std::string toolkit = GPTQ_CUDA_VERSION;
  all.push_back({"cuda", !toolkit.empty(),
                 toolkit.empty() ? "not in this build" : fmt::format("{}, code for {}", toolkit, info.gpu_targets)});
  all.push_back({"driver", !info.gpu_driver.empty(),
                 info.gpu_driver.empty() ? "none found" : fmt::format("supports CUDA {}", info.gpu_driver)});
  if (!info.gpu_problem.empty() || info.gpus.empty()) {
    all.push_back({"gpu", false, info.gpu_problem.empty() ? "the driver reports none" : info.gpu_problem});
  }
  for (const Gpu& gpu : info.gpus) {
    all.push_back({fmt::format("gpu cuda:{}", gpu.index), gpu.problem.empty(),
                   fmt::format("{}, compute capability {}.{}, {}{}", gpu.name, gpu.major, gpu.minor,
                               human_bytes(gpu.memory), gpu.problem.empty() ? "" : "; " + gpu.problem)});
  }
}

void add_hub(std::vector<Check>& all) {
  try {
    const HubState hub = hub_state();
    all.push_back({"endpoint", !hub.offline, hub.endpoint + (hub.offline ? ", offline mode is on" : "")});
    all.push_back({"token", !hub.token_source.empty(),
                   hub.token_source.empty() ? "none (gptq auth login)" : "from " + hub.token_source});
    all.push_back(cache_check(hub.cache));
  } catch (const Error& error) {
    all.push_back({"hub", false, error.what()});
  }
}

}  // namespace

std::vector<Check> checks() {
  const SystemInfo info = system_info();
  const DeviceChoice choice = choose_device("auto");
  std::vector<Check> all = {
      {"version", true, version()},
      {"commit", true, GPTQ_COMMIT},
      {"compiler", true, GPTQ_COMPILER},
      {"device", true, choice.description + (choice.note.empty() ? "" : "; " + choice.note)},
  };
  add_machine(all, info);
  add_gpus(all, info);
  add_hub(all);
  return all;
}

}  // namespace gptq::cli
