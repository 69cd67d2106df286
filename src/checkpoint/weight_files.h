// Finding the weight files of a model folder.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/file.h"

namespace gptq::checkpoint {

struct WeightFiles {
  std::vector<fs::path> files;                 // in order of name; all exist
  std::optional<fs::path> index;               // the file that lists the tensors of each, if there is one
  std::map<std::string, std::string> file_of;  // from the index: tensor name -> file name
};

// By name first: NAME.safetensors, or NAME.safetensors.index.json with its shards, for each of `names`. If none of them
// exists: the only index; complete shards NAME-0000i-of-0000N.safetensors without index; the only *.safetensors.
// Adapters and "consolidated" files, which are not models in this layout, are ignored.
// Throws Error(kNotFound) that names missing shards, the files to choose from, or what was expected, and
// Error(kVerification) for a damaged index.
WeightFiles find_weight_files(const fs::path& folder, const std::vector<std::string>& names);

}  // namespace gptq::checkpoint
