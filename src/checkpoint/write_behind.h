// Writing a model folder in the background: packed modules go to their shards while the next ones are made.
#pragma once

#include <functional>
#include <string>

#include "checkpoint/quantize_config.h"
#include "checkpoint/writer.h"
#include "core/background.h"
#include "core/packed_weight.h"

namespace gptq::checkpoint {

// Errors of the writer come out of the next call, whichever it is; nothing is written after one.
class WriteBehind {
 public:
  WriteBehind(CheckpointWriter& writer, CheckpointFormat format);

  void write(const std::string& module, PackedWeight weight);
  void write(const std::string& tensor, const TensorView& values);  // which stay where they are until finish()

  // Calls `then` in the background when everything handed over so far is on the disk.
  void on_durable(std::function<void()> then);

  void wait();    // for everything handed over so far, calls of `then` included
  void finish();  // waits, then finishes the writer

 private:
  CheckpointWriter& writer_;
  CheckpointFormat format_;
  BackgroundThread thread_;
};

}  // namespace gptq::checkpoint
