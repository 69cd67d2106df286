// A queue of packed modules for the writer.
#include "checkpoint/write_behind.h"

#include <memory>
#include <utility>

#include "checkpoint/packed_format.h"

namespace gptq::checkpoint {

namespace {
constexpr int64_t kMaxBytes = int64_t{256} << 20;  // about two layers of a 7B model in 4 bits
}

WriteBehind::WriteBehind(CheckpointWriter& writer, CheckpointFormat format)
    : writer_(writer), format_(format), thread_(kMaxBytes) {}

void WriteBehind::write(const std::string& module, PackedWeight weight) {
  const auto held = std::make_shared<const PackedWeight>(std::move(weight));
  const size_t bytes = held->qweight.bytes() + held->qzeros.bytes() + held->scales.bytes();
  thread_.add(static_cast<int64_t>(bytes), [this, module, held] {
    for_each_stored(*held, module, format_,
                    [&](const std::string& name, const TensorView& tensor) { writer_.write(name, tensor); });
  });
}

void WriteBehind::write(const std::string& tensor, const TensorView& values) {
  thread_.add(0, [this, tensor, values] { writer_.write(tensor, values); });
}

void WriteBehind::on_durable(std::function<void()> then) {
  thread_.add(0, [this, then = std::move(then)] {
    writer_.sync();
    then();
  });
}

void WriteBehind::wait() { thread_.drain(); }

void WriteBehind::finish() {
  wait();
  writer_.finish();
}

}  // namespace gptq::checkpoint
