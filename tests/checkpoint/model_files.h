// Helpers of the tests: temporary folders, hand-made safetensors files, small models, and expected errors.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <gptq/error.h>

#include "checkpoint/safetensors.h"
#include "core/file.h"
#include "tests/temp_folder.h"
#include "core/log.h"
#include "core/tensor.h"

namespace gptq::testing {

// Collects the library's notes and warnings while it lives.
class LogCapture {
 public:
  LogCapture() {
    set_log_sink([this](LogLevel level, const std::string& text) {
      (level == LogLevel::kWarning ? warnings : notes).push_back(text);
    });
  }
  LogCapture(const LogCapture&) = delete;
  LogCapture& operator=(const LogCapture&) = delete;
  ~LogCapture() { set_log_sink({}); }
  std::vector<std::string> notes, warnings;
};

inline std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

// A safetensors file from header text and data, with a true header length.
inline std::string raw_file(const std::string& header, const std::string& data = "") {
  std::string file;
  for (int i = 0; i < 8; ++i) file += static_cast<char>(static_cast<uint64_t>(header.size()) >> (8 * i) & 0xFF);
  return file + header + data;
}

template <typename T>
Tensor make_tensor(DType dtype, Shape shape, const std::vector<T>& values) {
  Tensor tensor(dtype, std::move(shape));
  EXPECT_EQ(tensor.bytes(), values.size() * sizeof(T));
  std::memcpy(tensor.data(), values.data(), tensor.bytes());
  return tensor;
}

inline Tensor copy_tensor(const TensorView& view) {
  Tensor tensor(view.dtype, view.shape);
  if (view.bytes() > 0) std::memcpy(tensor.data(), view.data, view.bytes());
  return tensor;
}

inline std::string raw_bytes(const TensorView& view) {
  return view.bytes() == 0 ? "" : std::string(reinterpret_cast<const char*>(view.data), view.bytes());
}

inline void write_tensors(const fs::path& path, const std::map<std::string, const Tensor*>& tensors) {
  std::map<std::string, TensorView> views;
  for (const auto& [name, tensor] : tensors) views.emplace(name, tensor->view());
  write_file_atomic(path, checkpoint::safetensors_bytes(views, {{"format", "pt"}}));
}

// Runs `action`, which must throw an Error of this kind whose message has every one of `parts`.
template <typename Action>
void expect_error(ErrorKind kind, const std::vector<std::string>& parts, Action action) {
  try {
    action();
    std::string wanted;
    for (const std::string& part : parts) wanted += " \"" + part + "\"";
    ADD_FAILURE() << "expected an error with" << wanted;
  } catch (const Error& error) {
    EXPECT_EQ(static_cast<int>(error.kind()), static_cast<int>(kind)) << error.what();
    for (const std::string& part : parts) {
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what() << "\nlacks: " << part;
    }
  }
}

inline fs::path golden(const std::string& name) { return fs::path(GPTQ_SOURCE_DIR) / "tests/golden" / name; }

}  // namespace gptq::testing
