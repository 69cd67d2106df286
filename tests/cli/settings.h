// Environment variables of a test, and a configuration file of its own.
#pragma once

#include <stdlib.h>
#include <optional>
#include <string>

#include "tests/cli/process.h"

namespace gptq::testing {

// A variable that is as it was before when the object goes.
class Variable {
 public:
  Variable(std::string name, const std::string& value) : name_(std::move(name)) {
    if (const char* before = getenv(name_.c_str())) before_ = before;
    setenv(name_.c_str(), value.c_str(), 1);
  }
  ~Variable() { before_ ? setenv(name_.c_str(), before_->c_str(), 1) : unsetenv(name_.c_str()); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  std::string name_;
  std::optional<std::string> before_;
};

// $XDG_CONFIG_HOME/gptq/config.toml with this text.
class ConfigFile {
 public:
  explicit ConfigFile(const std::string& text) : home_("XDG_CONFIG_HOME", scratch_ / "home") {
    fs::create_directories(scratch_ / "home/gptq");
    write_whole(path(), text);
  }
  std::string path() const { return scratch_ / "home/gptq/config.toml"; }

 private:
  Scratch scratch_;
  Variable home_;
};

}  // namespace gptq::testing
