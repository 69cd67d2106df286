// The journal of a quantization in progress: what it is made from and what is finished, so that another run can go on.
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
  std::map<std::string, std::string> files;    // SHA-256 of the output's other files; once it is complete
  bool complete = false;                       // only the rename is missing
};

// Lives in the folder of the partial output from its beginning on. Written after the layer's tensors are on the disk,
// atomically: a layer it names is complete. Carries a hash of itself.
class Journal {
 public:
  static constexpr char kName[] = "journal.json";

  explicit Journal(const fs::path& folder) : path_(folder / kName) {}

  // nullopt when there is none; throws Error(kVerification) when it is damaged, edited or no journal of ours.
  std::optional<JournalState> read() const;
  void write(const JournalState& state) const;

 private:
  fs::path path_;
};

}  // namespace gptq::quantization
