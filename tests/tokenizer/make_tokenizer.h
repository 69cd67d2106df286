// Tokenizers for tests, from JSON written in the test.
#pragma once

#include <filesystem>
#include <string>

#include <gptq/tokenizer.h>
#include <unistd.h>

#include "core/file.h"

namespace gptq {

// A folder that disappears with the object.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    static int count = 0;
    path_ = fs::temp_directory_path() / ("gptq_text_" + std::to_string(::getpid()) + "_" + std::to_string(++count));
    fs::create_directories(path_);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() { fs::remove_all(path_); }

  void write(const std::string& name, const std::string& content) const {
    fs::create_directories((path_ / name).parent_path());
    write_file_atomic(path_ / name, content);
  }
  std::string path() const { return path_.string(); }

 private:
  fs::path path_;
};

inline Tokenizer make_tokenizer(const std::string& json, const std::string& config = "{}") {
  const TemporaryFolder folder;
  folder.write("tokenizer.json", json);
  folder.write("tokenizer_config.json", config);
  return Tokenizer::open(folder.path());
}

}  // namespace gptq
