// MODEL on the command line: a folder, or a model on the Hub, which is fetched when it is not here yet.
#pragma once

#include <gptq/hub.h>

#include <memory>
#include <string>

#include "options.h"

namespace gptq::cli {

// What the command reads of the model.
enum class ModelParts { kAll, kTokenizer };

// The folder: `model` itself, unless it is the name of a model on the Hub ("org/name", "org/name@revision") and no
// folder has that name. Throws what pull() throws.
std::string model_folder(const std::string& model, const CommonOptions& common, ModelParts parts = ModelParts::kAll);

// Says in one line, unless quiet, which device runs and why not the GPU. Throws Error(kUsage) as choose_device() does.
void say_device(const ComputeOptions& options, const CommonOptions& common);

// pull() with a bar on standard error, stopped by Ctrl-C.
PullResult pull_with_progress(const std::string& model, const PullOptions& options, const CommonOptions& common);

// The bar of any transfer: `sink` goes into pull() and its like. It appears with the first bytes.
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
