// Read-ahead: tensors that will be needed soon are read from the disk in the background.
#pragma once

#include <atomic>
#include <string>

#include "checkpoint/checkpoint.h"
#include "core/background.h"

namespace gptq::checkpoint {

class ReadAhead {
 public:
  explicit ReadAhead(const Checkpoint& checkpoint);
  ~ReadAhead();  // drops requests that have not started

  // Queues reading the tensor's pages into memory, after those of earlier calls, and returns immediately.
  void prefetch(const std::string& tensor);

 private:
  const Checkpoint& checkpoint_;
  std::atomic<bool> stop_ = false;
  BackgroundThread thread_;
};

}  // namespace gptq::checkpoint
