// An opened model folder: its configuration, the index of its tensors and the mapped weight files.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <gptq/error.h>

#include "checkpoint/quantize_config.h"
#include "checkpoint/safetensors.h"
#include "core/file.h"
#include "core/json.h"
#include "core/tensor.h"

namespace gptq {

// Weights are found by name and never by pattern, because folders may carry copies in other layouts:
//   model_file_base_name of the quantization config, then "model", then AutoGPTQ's "gptq_model-{bits}bit-{gs}g";
//   each as NAME.safetensors or as shards behind NAME.safetensors.index.json.
// The quantization config is quantize_config.json, else quant_config.json, else config.json's
// "quantization_config". One that speaks of quantized weights where all tensors are plain ones is ignored with a
// warning.
class Checkpoint {
 public:
  // Maps every weight file and checks its header; reads no weights. Throws Error(kNotFound) for a missing folder,
  // config, weight file or shard, and Error(kVerification) for damaged ones; each names the file.
  static Checkpoint open(const fs::path& folder);

  const fs::path& folder() const { return folder_; }
  const Json& config() const { return config_; }  // config.json
  OrderedJson ordered_config() const;             // the same, read again with its keys in the file's order
  const std::optional<QuantizeConfig>& quantize_config() const { return quantize_config_; }

  bool contains(const std::string& name) const { return tensors_.count(name) > 0; }

  // Views into the mapped files: valid while this object lives, not aligned. Throws Error(kVerification) naming
  // the tensor and the folder when it is missing, of an unknown type, or of another shape than `expected`.
  TensorView tensor(const std::string& name) const;
  TensorView tensor(const std::string& name, const Shape& expected) const;

  std::vector<std::string> names() const;                   // sorted
  const TensorEntry& entry(const std::string& name) const;  // throws like tensor()
  uint64_t total_bytes() const;                             // of all tensors
  std::vector<fs::path> files() const;                      // weight files, in order of name
  std::string file_of(const std::string& name) const;       // file name within the folder; throws like tensor()

 private:
  Checkpoint() = default;
  static Checkpoint open_with(const fs::path& folder, std::optional<Error>& refused);
  size_t shard_of(const std::string& name) const;

  fs::path folder_;
  Json config_;
  std::optional<QuantizeConfig> quantize_config_;
  std::vector<SafetensorsFile> shards_;
  std::map<std::string, size_t> tensors_;  // name -> shard
};

}  // namespace gptq
