// Reading ahead: tensors that will be wanted soon come from the disk while others are worked on.
#pragma once

#include <atomic>
#include <string>

#include "checkpoint/checkpoint.h"
#include "core/background.h"

namespace gptq::checkpoint {

class ReadAhead {
 public:
  explicit ReadAhead(const Checkpoint& checkpoint);
  ~ReadAhead();  // forgets what it has not begun

  // Brings the tensor's pages into memory, after those of the calls before, and returns at once.
  void prefetch(const std::string& tensor);

 private:
  const Checkpoint& checkpoint_;
  std::atomic<bool> stop_ = false;
  BackgroundThread thread_;
};

}  // namespace gptq::checkpoint
