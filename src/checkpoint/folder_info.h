// The summary of a model folder behind inspect(), as far as files alone can tell.
#pragma once

#include <gptq/inspect.h>

#include "checkpoint/checkpoint.h"

namespace gptq::checkpoint {

// Everything but `supported` and `obstacle`, which depend on the architectures this build knows. Packed modules count
// the weights they stand for; sizes come from config.json (or its "text_config") under any family's field names and are
// 0 when absent.
ModelInfo folder_info(const Checkpoint& checkpoint);

// Of a file or folder that is no model: its files, what it is, and the way out, as the obstacle.
ModelInfo folder_info(const fs::path& path, const OtherFormat& other);

}  // namespace gptq::checkpoint
