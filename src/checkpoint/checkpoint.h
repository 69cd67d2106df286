// An open model folder: its configuration, the index of its tensors and the mapped weight files.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/other_formats.h"
#include "checkpoint/quantize_config.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/weight_files.h"
#include "core/file.h"
#include "core/json_fwd.h"
#include "core/tensor.h"

namespace gptq::checkpoint {

// Weights are found by name, because folders may contain copies in other layouts:
//   model_file_base_name of the quantization config, then "model", then AutoGPTQ's "gptq_model-{bits}bit-{gs}g";
//   each as NAME.safetensors or as shards listed in NAME.safetensors.index.json; otherwise as in weight_files.h.
// Incomplete names and configs are completed from the tensors:
//   - every name lacks "model.": it is prepended;
//   - "tie_word_embeddings" with lm_head.weight only: it is the embedding; with two equal tables: the head is omitted;
//     with a different head, dense or packed: the key is read, and written, as false, with a warning.
// The quantization config is quantize_config.json, else quant_config.json, else config.json's "quantization_config".
// It is ignored with a warning if all tensors are 16-bit or 32-bit numbers.
class Checkpoint {
 public:
  // Maps every weight file and checks its header; reads no weights. Throws Error(kNotFound) for a missing folder,
  // config, weight file or shard, and Error(kVerification) for damaged ones; each names the file, and the format if it
  // is another one. Purpose::kLook also opens models quantized with another method.
  static Checkpoint open(const fs::path& folder, Purpose purpose = Purpose::kRun);

  const fs::path& folder() const { return folder_; }
  const Json& config() const { return *config_; }  // config.json
  OrderedJson ordered_config() const;              // the same, read again in the order of the file
  const std::optional<QuantizeConfig>& quantize_config() const { return quantize_config_; }

  const std::optional<OtherFormat>& other_format() const { return other_; }  // of the quantization, for Purpose::kLook

  // The method of an ignored quantization config (all tensors are 16-bit or 32-bit numbers), or "".
  const std::string& ignored_quantization() const { return ignored_quantization_; }

  bool contains(const std::string& name) const { return tensors_.count(name) > 0; }

  // Views into the mapped files: valid during the lifetime of this object, not aligned. Throws Error(kVerification)
  // naming the tensor and the folder if it is missing, of an unknown type, or not of the shape `expected`.
  TensorView tensor(const std::string& name) const;
  TensorView tensor(const std::string& name, const Shape& expected) const;

  std::vector<std::string> names() const;                   // sorted
  const TensorEntry& entry(const std::string& name) const;  // throws like tensor()
  uint64_t total_bytes() const;                             // of all tensors
  std::vector<fs::path> files() const;                      // weight files, in order of name
  std::string file_of(const std::string& name) const;       // file name within the folder; throws like tensor()

  // Gives the pages of weights in memory back to the system. Views stay valid: what they show is read again.
  void release_pages() const;

 private:
  Checkpoint() = default;
  struct Place {
    size_t shard = 0;
    std::string stored;  // the tensor's name in the file
  };
  void map_files(const WeightFiles& found);
  bool all_plain() const;
  void ignore_stale_quantization();
  void complete_names();
  void settle_head();
  bool tied() const;
  const Place& place_of(const std::string& name) const;
  [[noreturn]] void throw_missing(const std::string& name) const;

  fs::path folder_;
  JsonBox<Json> config_;
  std::optional<QuantizeConfig> quantize_config_;
  std::vector<SafetensorsFile> shards_;
  std::map<std::string, Place> tensors_;
  std::optional<OtherFormat> other_;
  std::string ignored_quantization_;
  bool untied_ = false;  // the config's "tie_word_embeddings" is overridden
};

}  // namespace gptq::checkpoint
