// Comparing the architectures of the kernels with those of the GPUs.
#include "backend/gpu_choice.h"

#include <algorithm>
#include <cctype>

#include "core/check.h"

namespace gptq::backend {

namespace {

constexpr int kMinMajor = 8;  // Ampere

std::string capability(int major, int minor) { return std::to_string(major) + "." + std::to_string(minor); }

bool serves(const GpuTarget& t, const Gpu& gpu) {
  const bool same = t.major == gpu.major && t.minor == gpu.minor;
  const bool later_in_major = t.major == gpu.major && t.minor <= gpu.minor;
  if (t.feature == 'a') return same;
  if (t.feature == 'f') return later_in_major;
  const bool newer = t.major < gpu.major || later_in_major;
  return (t.code && later_in_major) || (t.ptx && newer);
}

std::string described(std::span<const GpuTarget> targets) {
  std::string text;
  for (const GpuTarget& t : targets) {
    const std::string name = capability(t.major, t.minor) + (t.feature != 0 ? std::string(1, t.feature) : "");
    if (t.code) text += (text.empty() ? "" : ", ") + name;
    if (t.ptx) text += (text.empty() ? "" : ", ") + ("PTX of " + name);
  }
  return text;
}

// As in CMAKE_CUDA_ARCHITECTURES. 9.0 has instructions that require "90a".
std::string architecture_option(const Gpu& gpu) {
  const bool hopper = gpu.major == 9 && gpu.minor == 0;
  return std::to_string(gpu.major) + std::to_string(gpu.minor) + (hopper ? "a" : "") + "-real";
}

}  // namespace

std::vector<GpuTarget> parse_gpu_targets(const std::string& list) {
  std::vector<GpuTarget> targets;
  for (size_t begin = 0; begin < list.size();) {
    const size_t end = std::min(list.find(',', begin), list.size());
    const std::string entry = list.substr(begin, end - begin);
    begin = end + 1;
    size_t digits = 0;
    while (digits < entry.size() && std::isdigit(static_cast<unsigned char>(entry[digits]))) ++digits;
    CHECK(digits == 2 || digits == 3, "CUDA architecture " + entry);
    GpuTarget target;
    target.major = std::stoi(entry.substr(0, digits - 1));
    target.minor = entry[digits - 1] - '0';
    std::string rest = entry.substr(digits);
    if (!rest.empty() && rest[0] != '-') {
      target.feature = rest[0];
      rest.erase(0, 1);
    }
    CHECK(rest.empty() || rest == "-real" || rest == "-virtual", "CUDA architecture " + entry);
    target.code = rest != "-virtual";
    target.ptx = rest != "-real";
    targets.push_back(target);
  }
  return targets;
}

std::string unserved_reason(std::span<const GpuTarget> targets, const Gpu& gpu) {
  const std::string is = gpu.name + " is " + capability(gpu.major, gpu.minor);
  if (gpu.major < kMinMajor) return is + ", expected compute capability 8.0 (Ampere) or newer";
  if (std::any_of(targets.begin(), targets.end(), [&](const GpuTarget& t) { return serves(t, gpu); })) return "";
  return "this build has code for compute capability " + described(targets) + "; your " + is +
         "; rebuild with -DCMAKE_CUDA_ARCHITECTURES=" + architecture_option(gpu);
}

DeviceChoice choose_automatically(const GpuState& state) {
  DeviceChoice choice;
  choice.note = state.problem;
  for (const Gpu& gpu : state.gpus) {
    if (gpu.problem.empty()) {
      choice.device = {Device::Kind::kCuda, gpu.index};
      return choice;
    }
    choice.note +=
        (choice.note.empty() ? "" : "; ") + ("cuda:" + std::to_string(gpu.index) + " is skipped: ") + gpu.problem;
  }
  if (choice.note.empty()) choice.note = "the driver finds no GPU";
  return choice;
}

}  // namespace gptq::backend
