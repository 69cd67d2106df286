// Writing a model folder: weight shards of known shapes filled in any order, companion files, configs last.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "checkpoint/quantize_config.h"
#include "checkpoint/safetensors.h"
#include "core/file.h"
#include "core/json_fwd.h"
#include "core/tensor.h"

namespace gptq::checkpoint {

// The shards of one model. Tensors are assigned to shards greedily in the given order; within a shard they have the
// order of the reference safetensors writer. One shard is "model.safetensors"; several are
// "model-00001-of-0000N.safetensors" with "model.safetensors.index.json".
class CheckpointWriter {
 public:
  // Creates the folder and every shard at its full size, including headers, so that a full disk is an error here.
  // Shards of an interrupted run with the same specs keep their bytes; resumed() is true if all of them existed. Throws
  // Error(kUsage) for duplicate names and if the folder contains other weights, which are never deleted here;
  // Error(kPermission | kGeneral) from the system.
  CheckpointWriter(fs::path folder, std::vector<TensorSpec> specs, int64_t max_shard_bytes,
                   const std::map<std::string, std::string>& metadata = {{"format", "pt"}});

  bool resumed() const { return resumed_; }

  // Type and shape must be those of the spec. Safe from several threads for different tensors. The bytes reach
  // the disk at sync() or finish().
  void write(const std::string& name, const TensorView& tensor);

  // After a resume: marks `name` as written and synced by the previous run; `sha256` is the value of this tensor in the
  // digests() of that run.
  void mark_written(const std::string& name, const std::string& sha256);

  // SHA-256 of the bytes of every tensor written so far (64 hexadecimal digits), by name. Safe from several threads.
  std::map<std::string, std::string> digests() const;

  void sync();    // returns when everything written so far is on the disk
  void finish();  // requires every tensor written; syncs; writes the index of several shards

 private:
  struct Shard {
    std::string file;
    PreallocatedFile storage;
  };
  struct Place {
    TensorSpec spec;
    size_t shard = 0;
    uint64_t offset = 0;  // in the file
  };
  const Place& place_of(const std::string& name) const;

  fs::path folder_;
  bool resumed_ = false;
  std::vector<Shard> shards_;
  std::map<std::string, Place> places_;
  mutable std::mutex mutex_;                    // guards written_
  std::map<std::string, std::string> written_;  // tensor -> SHA-256 of its bytes
};

// The division of `specs` into shards, for plans and estimates.
std::vector<std::vector<TensorSpec>> split_into_shards(const std::vector<TensorSpec>& specs, int64_t max_shard_bytes);

// Copies the files of a model folder other than weights and configs: tokenizer files, chat templates,
// generation_config.json, licences and notices; byte for byte, except that "auto_map" of tokenizer_config.json is
// removed, because it refers to Python files that are not copied. Existing files of those names are replaced.
void copy_companion_files(const fs::path& from, const fs::path& to);

// Whether CheckpointWriter, copy_companion_files or write_configs create files of this name in a model folder.
bool is_model_file(const std::string& name);
inline constexpr char kTemplatesFolder[] = "additional_chat_templates";  // the only folder they create in it

// Writes quantize_config.json and then, last, config.json (checkpoint/output_config.h), with the same dictionary as
// "quantization_config". A folder without config.json is unfinished.
void write_configs(const fs::path& folder, const OrderedJson& source_config, const QuantizeConfig& config);

}  // namespace gptq::checkpoint
