// Helpers of the quantize tests: the demo model, cheap options, and copies of it with a tensor changed.
#pragma once

#include <chrono>
#include <functional>
#include <thread>

#include <gptq/quantize.h>

#include "checkpoint/checkpoint.h"
#include "tests/checkpoint/model_files.h"

namespace gptq::testing {

inline fs::path demo_model() { return fs::path(GPTQ_SOURCE_DIR) / "models/demo"; }

// Seconds even with sanitizers: the numbers are poor, the path is whole.
inline QuantizeOptions quick_options(const fs::path& output) {
  QuantizeOptions options;
  options.model = demo_model();
  options.output = output;
  options.calibration = {demo_model() / "calibration.jsonl"};
  options.grid.clip = "none";
  options.samples = 4;
  options.seqlen = 48;
  return options;
}

// The demo model in `folder`, with one tensor's bf16 values changed by `edit`.
inline void copy_demo(const fs::path& folder, const std::string& tensor = "",
                      const std::function<void(std::span<BFloat16>)>& edit = {}) {
  fs::create_directories(folder);
  for (const char* name : {"config.json", "tokenizer.json", "tokenizer_config.json", "generation_config.json"}) {
    fs::copy_file(demo_model() / name, folder / name);
  }
  const checkpoint::SafetensorsFile source(demo_model() / "model.safetensors");
  std::map<std::string, TensorView> views;
  for (const auto& [name, entry] : source.header().tensors) views.emplace(name, source.tensor(name));
  Tensor changed;
  if (edit) {
    changed = copy_tensor(views.at(tensor));
    edit(changed.values<BFloat16>());
    views[tensor] = changed.view();
  }
  write_file_atomic(folder / "model.safetensors", checkpoint::safetensors_bytes(views, {{"format", "pt"}}));
}

// Waits until `condition` holds; false after a minute.
inline bool eventually(const std::function<bool()>& condition) {
  for (int i = 0; i < 60'000 && !condition(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  return condition();
}

// File name -> content of everything in a folder.
inline std::map<std::string, std::string> contents(const fs::path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::directory_iterator(folder)) files[entry.path().filename()] = read_file(entry.path());
  return files;
}

}  // namespace gptq::testing
