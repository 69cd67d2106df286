// A background thread that touches the pages of mapped tensors.
#include "checkpoint/read_ahead.h"

namespace gptq::checkpoint {

ReadAhead::ReadAhead(const Checkpoint& checkpoint) : checkpoint_(checkpoint), thread_(0) {}

ReadAhead::~ReadAhead() { stop_ = true; }

void ReadAhead::prefetch(const std::string& tensor) {
  thread_.add(0, [this, view = checkpoint_.tensor(tensor)] {
    if (!stop_) bring_to_memory({view.data, view.bytes()});
  });
}

}  // namespace gptq::checkpoint
