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

// The shards of one model. Tensors go to shards greedily in the given order; within a shard they lie as the
// reference safetensors writer puts them. One shard is "model.safetensors"; several are
// "model-00001-of-0000N.safetensors" with "model.safetensors.index.json".
class CheckpointWriter {
 public:
  // Creates the folder and every shard at its full size, headers included, so that a full disk is an error now.
  // Shards of an interrupted run with the same specs keep their bytes; resumed() says that all were there. Throws
  // Error(kUsage) for duplicate names and when the folder holds other weights, which are never deleted here;
  // Error(kPermission | kGeneral) from the system.
  CheckpointWriter(fs::path folder, std::vector<TensorSpec> specs, int64_t max_shard_bytes,
                   const std::map<std::string, std::string>& metadata = {{"format", "pt"}});

  bool resumed() const { return resumed_; }

  // Type and shape must be those of the spec. Safe from several threads for different tensors. The bytes reach
  // the disk at sync() or finish().
  void write(const std::string& name, const TensorView& tensor);

  // After a resume: says that `name` was already written, and synced, by the run before; `sha256` is what that
  // run's digests() said.
  void mark_written(const std::string& name, const std::string& sha256);

  // Of the bytes of every tensor written so far (64 hexadecimal digits), by name. Safe from several threads.
  std::map<std::string, std::string> digests() const;

  void sync();    // everything written so far is on the disk when this returns
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

// The shards `specs` would be cut into: for plans and estimates.
std::vector<std::vector<TensorSpec>> split_into_shards(const std::vector<TensorSpec>& specs, int64_t max_shard_bytes);

// Copies, byte for byte, what a model folder needs besides weights and configs: tokenizer files, chat templates,
// generation_config.json, licences and notices. Existing files of those names are replaced.
void copy_companion_files(const fs::path& from, const fs::path& to);

// Whether CheckpointWriter, copy_companion_files or write_configs make a file of this name in a model folder.
bool is_model_file(const std::string& name);
inline constexpr char kTemplatesFolder[] = "additional_chat_templates";  // the one folder they make in it

// Writes quantize_config.json and then, last, config.json (checkpoint/output_config.h), with the same dictionary as
// "quantization_config". A folder without config.json was never finished.
void write_configs(const fs::path& folder, const OrderedJson& source_config, const QuantizeConfig& config);

}  // namespace gptq::checkpoint
