// The journal of a quantization in progress: what is finished, so that an interrupted run can go on.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <gptq/quantize.h>

#include "core/file.h"

namespace gptq {

struct JournalState {
  std::string fingerprint;  // of everything that decides the output's bytes
  int layers_done = 0;
  std::vector<ModuleReport> modules;  // of the finished layers
};

// Lives in the folder of the partial output. Written after the layer's tensors are on the disk, atomically: a
// layer it names is complete.
class Journal {
 public:
  explicit Journal(const fs::path& folder) : path_(folder / "journal.json") {}

  std::optional<JournalState> read() const;  // nullopt when there is none; throws Error(kVerification) when damaged
  void write(const JournalState& state) const;
  void remove() const;

 private:
  fs::path path_;
};

}  // namespace gptq
