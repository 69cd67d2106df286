// The journal of a quantization in progress: its inputs and what is finished, so that another run can continue it.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include <gptq/quantize.h>

#include "core/file.h"

namespace gptq::quantization {

struct JournalState {
  std::string model;                          // the folder, for messages
  std::map<std::string, std::string> inputs;  // Job::inputs()
  int layers_done = 0;
  std::vector<ModuleReport> modules;           // of the finished layers
  std::map<std::string, std::string> sources;  // SHA-256 of the model's tensors that finished modules replace
  std::map<std::string, std::string> tensors;  // SHA-256 of the output's tensors that are on the disk
  std::map<std::string, std::string> files;    // SHA-256 of the output's other files, once it is complete
  bool complete = false;                       // only the rename is pending
};

// A file in the folder of the partial output, created with it. Written atomically after a layer's tensors are on the
// disk: a layer it names is complete. Contains a hash of itself.
class Journal {
 public:
  static constexpr char kName[] = "journal.json";

  explicit Journal(const fs::path& folder) : path_(folder / kName) {}

  // nullopt if there is none; throws Error(kVerification) if it is damaged, edited or not a journal of gptq.
  std::optional<JournalState> read() const;
  void write(const JournalState& state) const;

 private:
  fs::path path_;
};

}  // namespace gptq::quantization
