// The tree of commands and options, and the function of each command.
#pragma once

#include <CLI/CLI.hpp>
#include <map>
#include <string>
#include <vector>

#include "commands.h"

namespace gptq::cli {

class Program {
 public:
  Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  CLI::App& app() { return app_; }
  const CommonOptions& common() const { return common_; }
  std::vector<std::string> command_names() const;
  int run(const CLI::App& command) const;  // the exit code; throws Error

 private:
  CLI::App app_;
  CommonOptions common_;
  std::map<const CLI::App*, Action> actions_;
};

}  // namespace gptq::cli
