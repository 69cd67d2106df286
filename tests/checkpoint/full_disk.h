// A disk that is full from now on: a limit on file sizes refuses writes beyond it as a full disk does.
#pragma once

#include <sys/resource.h>

#include <csignal>
#include <cstdint>

namespace gptq::testing {

class FullDisk {
 public:
  explicit FullDisk(uint64_t bytes) {
    getrlimit(RLIMIT_FSIZE, &old_);
    old_handler_ = std::signal(SIGXFSZ, SIG_IGN);
    const rlimit small{bytes, old_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &small);
  }
  ~FullDisk() {
    setrlimit(RLIMIT_FSIZE, &old_);
    std::signal(SIGXFSZ, old_handler_);
  }
  FullDisk(const FullDisk&) = delete;
  FullDisk& operator=(const FullDisk&) = delete;

 private:
  rlimit old_{};
  void (*old_handler_)(int) = nullptr;
};

}  // namespace gptq::testing
