// The summary of a model folder for inspect(), from its files only.
#pragma once

#include <gptq/inspect.h>

#include "checkpoint/checkpoint.h"

namespace gptq::checkpoint {

// All fields except `supported` and `obstacle`, which depend on the supported architectures. Packed modules count as
// the weights they represent; sizes are read from config.json (or its "text_config") under any family's field names and
// are 0 if absent.
ModelInfo folder_info(const Checkpoint& checkpoint);

// For a file or folder that is not a model: its files; the obstacle names its format and the remedy.
ModelInfo folder_info(const fs::path& path, const OtherFormat& other);

}  // namespace gptq::checkpoint
