// Writing a model folder in the background: packed modules are written while the next ones are computed.
#pragma once

#include <functional>
#include <string>

#include "checkpoint/quantize_config.h"
#include "checkpoint/writer.h"
#include "core/background.h"
#include "core/packed_weight.h"

namespace gptq::checkpoint {

// The next call rethrows an error of the writer; nothing is written after an error.
class WriteBehind {
 public:
  WriteBehind(CheckpointWriter& writer, CheckpointFormat format);

  void write(const std::string& module, PackedWeight weight);
  void write(const std::string& tensor, const TensorView& values);  // `values` must stay valid until finish()

  // Calls `then` in the background after all data of earlier calls is on the disk.
  void on_durable(std::function<void()> then);

  void wait();    // until all earlier calls are done, including calls of `then`
  void finish();  // waits, then finishes the writer

 private:
  CheckpointWriter& writer_;
  CheckpointFormat format_;
  BackgroundThread thread_;
};

}  // namespace gptq::checkpoint
