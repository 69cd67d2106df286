// Preallocated shards, companion files, and an order of writing that reveals an interrupted save.
#include "checkpoint/writer.h"

#include <algorithm>

#include <gptq/error.h>

#include "checkpoint/output_config.h"
#include "core/hash.h"
#include "core/json.h"
#include "core/log.h"
#include "core/model_files.h"
#include "core/python_json.h"

namespace gptq::checkpoint {

namespace {

constexpr char kIndexName[] = "model.safetensors.index.json";

std::string five_digits(size_t number) {
  const std::string digits = std::to_string(number);
  return std::string(digits.size() < 5 ? 5 - digits.size() : 0, '0') + digits;
}

std::string shard_name(size_t index, size_t count) {
  if (count == 1) return "model.safetensors";
  return "model-" + five_digits(index + 1) + "-of-" + five_digits(count) + ".safetensors";
}

bool is_plain_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

void create_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) throw_system_error("creating the folder", folder, error.value());
}

// Readers that load every *.safetensors of a folder would also load unrelated weights.
void refuse_other_weights(const fs::path& folder, const std::set<std::string>& ours) {
  for (const auto& item : fs::directory_iterator(folder)) {
    const std::string name = item.path().filename().string();
    const bool weights = item.path().extension() == ".safetensors" || name == kIndexName;
    if (!weights || ours.count(name) || (name == kIndexName && ours.size() > 1)) continue;
    throw Error(ErrorKind::kUsage, "writing a model to " + folder.string() + ": it already holds " + name +
                                       ", which is not part of this model; choose another folder or remove it");
  }
}

// Whether an earlier run made this shard: same size and header. A header of zeros was not written yet.
bool holds_shard(const fs::path& path, const std::string& header, uint64_t size) {
  if (!is_plain_file(path)) return false;
  const MappedFile file(path);
  if (file.bytes().size() == size) {
    const std::string_view start(reinterpret_cast<const char*>(file.bytes().data()), header.size());
    if (start == header) return true;
    if (start.substr(0, 8) == std::string_view("\0\0\0\0\0\0\0\0", 8)) return false;
  }
  throw Error(ErrorKind::kUsage, "writing " + path.string() +
                                     ": the file exists and belongs to a model of other "
                                     "shapes or options; choose another folder or remove it");
}

}  // namespace

std::vector<std::vector<TensorSpec>> split_into_shards(const std::vector<TensorSpec>& specs, int64_t max_shard_bytes) {
  std::vector<std::vector<TensorSpec>> shards(1);
  uint64_t used = 0;
  for (const TensorSpec& spec : specs) {
    const uint64_t bytes = spec.bytes();
    if (!shards.back().empty() && used + bytes > static_cast<uint64_t>(max_shard_bytes)) {
      shards.emplace_back();
      used = 0;
    }
    shards.back().push_back(spec);
    used += bytes;
  }
  return shards;
}

CheckpointWriter::CheckpointWriter(fs::path folder, std::vector<TensorSpec> specs, int64_t max_shard_bytes,
                                   const std::map<std::string, std::string>& metadata)
    : folder_(std::move(folder)) {
  CHECK(max_shard_bytes > 0);
  create_folder(folder_);
  std::vector<std::vector<TensorSpec>> split = split_into_shards(specs, max_shard_bytes);
  std::set<std::string> names;
  for (size_t i = 0; i < split.size(); ++i) names.insert(shard_name(i, split.size()));
  refuse_other_weights(folder_, names);
  resumed_ = true;

  for (size_t i = 0; i < split.size(); ++i) {
    sort_for_safetensors(split[i]);
    const std::string header = safetensors_header_bytes(split[i], metadata);
    uint64_t size = header.size();
    for (TensorSpec& spec : split[i]) {
      const uint64_t bytes = spec.bytes();
      const std::string name = spec.name;
      if (!places_.emplace(name, Place{std::move(spec), i, size}).second) {
        throw Error(ErrorKind::kUsage,
                    "writing a model to " + folder_.string() + ": the tensor \"" + name + "\" is listed twice");
      }
      size += bytes;
    }
    const std::string file = shard_name(i, split.size());
    const bool kept = holds_shard(folder_ / file, header, size);
    resumed_ = resumed_ && kept;
    shards_.push_back({file, PreallocatedFile(folder_ / file, size)});
    if (!kept) shards_.back().storage.write(0, std::as_bytes(std::span(header)));
  }
}

const CheckpointWriter::Place& CheckpointWriter::place_of(const std::string& name) const {
  const auto found = places_.find(name);
  CHECK(found != places_.end(), "no tensor \"" + name + "\" was announced for " + folder_.string());
  return found->second;
}

void CheckpointWriter::write(const std::string& name, const TensorView& tensor) {
  const Place& place = place_of(name);
  CHECK(tensor.dtype == place.spec.dtype && tensor.shape == place.spec.shape,
        "tensor \"" + name + "\" is " + std::string(name_of(tensor.dtype)) + " " + gptq::to_string(tensor.shape) +
            ", announced as " + std::string(name_of(place.spec.dtype)) + " " + gptq::to_string(place.spec.shape));
  shards_[place.shard].storage.write(place.offset, {tensor.data, tensor.bytes()});
  mark_written(name, sha256_hex({tensor.data, tensor.bytes()}));
}

void CheckpointWriter::mark_written(const std::string& name, const std::string& sha256) {
  place_of(name);
  const std::lock_guard lock(mutex_);
  written_[name] = sha256;
}

std::map<std::string, std::string> CheckpointWriter::digests() const {
  const std::lock_guard lock(mutex_);
  return written_;
}

void CheckpointWriter::sync() {
  for (Shard& shard : shards_) shard.storage.sync();
}

void CheckpointWriter::finish() {
  for (const auto& [name, place] : places_) {
    CHECK(written_.count(name), "tensor \"" + name + "\" of " + folder_.string() + " was never written");
  }
  sync();
  if (shards_.size() == 1) return;
  Json index;
  uint64_t total = 0;
  for (const auto& [name, place] : places_) {
    total += place.spec.bytes();
    index["weight_map"][name] = shards_[place.shard].file;
  }
  index["metadata"]["total_size"] = total;
  write_file_atomic(folder_ / kIndexName, index.dump(2) + "\n");
}

namespace {

// By path in the folder: files that are copied with the weights.
bool is_companion(const std::string& name) {
  const ModelFile* file = find_model_file(name);
  return file != nullptr && file->role != FileRole::kConfig && file->role != FileRole::kCard;
}

// A companion's bytes for the output: unchanged, except that "auto_map" points to Python files that are not copied.
std::string bytes_for_output(const fs::path& path) {
  std::string bytes = read_file(path);
  if (path.filename() != "tokenizer_config.json") return bytes;
  OrderedJson config;
  try {
    config = parse_ordered_json(bytes, path.string());
  } catch (const Error&) {  // reported when the tokenizer is opened
    return bytes;
  }
  if (!config.is_object() || config.erase("auto_map") == 0) return bytes;
  return config.dump(2) + "\n";
}

}  // namespace

bool is_model_file(const std::string& name) {
  const std::string_view start = "model", end = ".safetensors", all = name;
  const bool shard =
      all.size() >= start.size() + end.size() && all.substr(0, start.size()) == start &&
      all.substr(all.size() - end.size()) == end &&
      all.substr(start.size(), all.size() - start.size() - end.size()).find_first_not_of("-of0123456789") ==
          std::string_view::npos;
  return shard || name == "config.json" || name == "quantize_config.json" || name == kIndexName || is_companion(name);
}

void copy_companion_files(const fs::path& from, const fs::path& to) {
  const auto copy = [&](const fs::path& path) {
    const fs::path name = path.lexically_relative(from);
    if (!is_companion(name.generic_string()) || !fs::is_regular_file(path)) return;
    if (!stays_in_model_folder(from, path)) {
      warn(path.string() + " is a link to a file outside of the model folder and is not copied; put a copy there");
      return;
    }
    create_folder((to / name).parent_path());
    write_file_atomic(to / name, bytes_for_output(path));
  };
  create_folder(to);
  for (const auto& item : fs::directory_iterator(from)) copy(item.path());
  const fs::path templates = from / kTemplatesFolder;
  if (!fs::is_directory(templates)) return;
  for (const auto& item : fs::directory_iterator(templates)) copy(item.path());
}

void write_configs(const fs::path& folder, const OrderedJson& source_config, const QuantizeConfig& config) {
  const OrderedJson dictionary = to_json(config);
  write_file_atomic(folder / "quantize_config.json", dictionary.dump(2) + "\n");
  write_file_atomic(folder / "config.json", python_json_text(output_config(source_config, config)) + "\n");
}

}  // namespace gptq::checkpoint
