// MODEL on the command line: a folder, or a model on the Hub that is downloaded if it is not cached.
#pragma once

#include <gptq/hub.h>

#include <memory>
#include <string>

#include "options.h"

namespace gptq::cli {

// The parts of a model that the command reads.
enum class ModelParts { kAll, kTokenizer };

// The folder: `model` itself, unless it is the name of a model on the Hub ("org/name", "org/name@revision") and no
// folder has that name. Throws what pull() throws.
std::string model_folder(const std::string& model, const CommonOptions& common, ModelParts parts = ModelParts::kAll);

// Reports in one line, unless quiet, which device is used and why not the GPU. Throws Error(kUsage)
// as choose_device() does.
void say_device(const ComputeOptions& options, const CommonOptions& common);

// pull() with a progress bar on standard error, cancelled by Ctrl-C.
PullResult pull_with_progress(const std::string& model, const PullOptions& options, const CommonOptions& common);

// The progress bar of a transfer: pass `sink` to pull() or push(). Appears with the first bytes.
class TransferBar {
 public:
  explicit TransferBar(bool quiet);
  ~TransferBar();
  TransferSink sink();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace gptq::cli
