// Opening a model folder: which configs, which weight files, and whether they fit together.
#include "checkpoint/checkpoint.h"

#include <algorithm>
#include <set>

#include <gptq/error.h>

#include "core/log.h"

namespace gptq {

namespace {

constexpr char kEnding[] = ".safetensors";
constexpr char kIndexEnding[] = ".safetensors.index.json";
constexpr size_t kMostListed = 8;  // names spelled out in one error

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

bool is_plain_name(const std::string& name) {
  return !name.empty() && name != "." && name != ".." &&
         name.find_first_of(std::string("/\\\0", 3)) == std::string::npos;
}

std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (size_t i = 0; i < std::min(names.size(), kMostListed); ++i) text += (i ? ", " : "") + names[i];
  if (names.size() > kMostListed) text += " and " + std::to_string(names.size() - kMostListed) + " more";
  return text;
}

std::optional<QuantizeConfig> find_quantize_config(const fs::path& folder) {
  for (const char* name : {"quantize_config.json", "quant_config.json"}) {
    const fs::path path = folder / name;
    if (!is_file(path)) continue;
    return parse_quantize_config(parse_ordered_json(read_small_file(path), path.string()), path.string());
  }
  const fs::path path = folder / "config.json";
  const OrderedJson config = parse_ordered_json(read_small_file(path), path.string());
  const auto found = config.find("quantization_config");
  if (found == config.end() || found->is_null()) return std::nullopt;
  return parse_quantize_config(*found, path.string() + ", \"quantization_config\"");
}

std::vector<std::string> candidate_names(const std::optional<QuantizeConfig>& config, const fs::path& folder) {
  std::vector<std::string> names;
  if (config && !config->model_file_base_name.empty()) {
    if (!is_plain_name(config->model_file_base_name)) {
      throw Error(ErrorKind::kVerification, "reading the quantization config of " + folder.string() +
                                                ": \"model_file_base_name\" is \"" + config->model_file_base_name +
                                                "\", expected a plain file name");
    }
    names.push_back(config->model_file_base_name);
  }
  names.push_back("model");
  if (config) {
    names.push_back("gptq_model-" + std::to_string(config->bits) + "bit-" + std::to_string(config->group_size) + "g");
  }
  return names;
}

// What to tell somebody whose folder has no weights we read.
[[noreturn]] void throw_no_weights(const fs::path& folder, const std::vector<std::string>& names) {
  std::string expected;
  for (const std::string& name : names) expected += (expected.empty() ? "" : ", ") + name + kEnding;
  std::string advice = "; download the model again, or check the path";
  for (const auto& item : fs::directory_iterator(folder)) {
    const std::string name = item.path().filename().string();
    const std::string ending = item.path().extension().string();
    if (ending == ".bin" || ending == ".pt" || ending == ".pth") {
      advice = "; found " + name +
               ", but pickled weights can run code when opened and are not read: convert the "
               "model to safetensors first, or use a revision that has them";
    } else if (ending == ".gguf") {
      advice = "; found " + name + ", which is another format: use the original model in safetensors";
    } else if (name.rfind("consolidated", 0) == 0 && ending == kEnding) {
      advice = "; found " + name +
               ", which uses other tensor names: download the model-*.safetensors files and "
               "their index";
    }
  }
  throw Error(ErrorKind::kNotFound, "opening " + folder.string() + ": found no weights, expected " + expected +
                                        " or an index of shards" + advice);
}

// Tensor name -> file name.
std::map<std::string, std::string> read_index(const fs::path& path) {
  const Json json = parse_json(read_small_file(path), path.string());
  const JsonReader reader(json, path.string());
  const Json& map = reader.at("weight_map");
  if (!map.is_object() || map.empty()) reader.fail("weight_map", "an object of tensor names and file names");
  std::map<std::string, std::string> files;
  for (const auto& [tensor, file] : map.items()) {
    if (!file.is_string() || !is_plain_name(file.get<std::string>())) {
      throw Error(ErrorKind::kVerification, "reading " + path.string() + ": the file of tensor \"" + tensor + "\" is " +
                                                file.dump(-1, ' ', false, Json::error_handler_t::replace) +
                                                ", expected a plain file name in the same folder");
    }
    files.emplace(tensor, file.get<std::string>());
  }
  return files;
}

[[noreturn]] void throw_missing(ErrorKind kind, const fs::path& index, const std::string& kind_of_thing,
                                const std::vector<std::string>& names) {
  throw Error(kind, "opening the shards of " + index.string() + ": " + std::to_string(names.size()) + " " +
                        kind_of_thing + ": " + listed(names) + "; the download is incomplete or mixed, fetch it again");
}

}  // namespace

Checkpoint Checkpoint::open(const fs::path& folder) {
  std::error_code ignored;
  if (!fs::is_directory(folder, ignored)) {
    throw Error(ErrorKind::kNotFound, "opening " + folder.string() +
                                          ": found no such folder, expected a model "
                                          "folder with config.json and *.safetensors; check the path");
  }
  Checkpoint checkpoint;
  checkpoint.folder_ = folder;
  const fs::path config_path = folder / "config.json";
  checkpoint.config_ = parse_json(read_small_file(config_path), config_path.string());
  JsonReader(checkpoint.config_, config_path.string());  // must be an object
  checkpoint.quantize_config_ = find_quantize_config(folder);

  const std::vector<std::string> names = candidate_names(checkpoint.quantize_config_, folder);
  for (const std::string& name : names) {
    if (is_file(folder / (name + kEnding))) {
      checkpoint.shards_.emplace_back(folder / (name + kEnding));
      for (const auto& [tensor, entry] : checkpoint.shards_[0].header().tensors) checkpoint.tensors_.emplace(tensor, 0);
      return checkpoint;
    }
    const fs::path index = folder / (name + kIndexEnding);
    if (!is_file(index)) continue;

    const std::map<std::string, std::string> files = read_index(index);
    std::map<std::string, size_t> shards;
    for (const auto& [tensor, file] : files) shards.emplace(file, 0);
    std::vector<std::string> missing;
    for (const auto& [file, number] : shards) {
      if (!is_file(folder / file)) missing.push_back(file);
    }
    if (!missing.empty()) throw_missing(ErrorKind::kNotFound, index, "missing file(s)", missing);
    for (auto& [file, number] : shards) {
      number = checkpoint.shards_.size();
      checkpoint.shards_.emplace_back(folder / file);
    }
    for (const auto& [tensor, file] : files) {
      const size_t shard = shards.at(file);
      if (!checkpoint.shards_[shard].contains(tensor)) missing.push_back(tensor + " (in " + file + ")");
      checkpoint.tensors_.emplace(tensor, shard);
    }
    if (!missing.empty()) throw_missing(ErrorKind::kVerification, index, "missing tensor(s)", missing);
    for (const SafetensorsFile& shard : checkpoint.shards_) {
      for (const auto& [tensor, entry] : shard.header().tensors) {
        if (!files.count(tensor))
          warn("ignoring tensor " + tensor + " of " + shard.path().string() + ": not in the index");
      }
    }
    return checkpoint;
  }
  throw_no_weights(folder, names);
}

OrderedJson Checkpoint::ordered_config() const {
  const fs::path path = folder_ / "config.json";
  return parse_ordered_json(read_small_file(path), path.string());
}

size_t Checkpoint::shard_of(const std::string& name) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) {
    throw Error(ErrorKind::kVerification, "reading " + folder_.string() + ": the tensor \"" + name +
                                              "\" is missing; the folder is incomplete or of another architecture");
  }
  return found->second;
}

const TensorEntry& Checkpoint::entry(const std::string& name) const {
  return shards_[shard_of(name)].header().tensors.at(name);
}

TensorView Checkpoint::tensor(const std::string& name) const { return shards_[shard_of(name)].tensor(name); }

TensorView Checkpoint::tensor(const std::string& name, const Shape& expected) const {
  const TensorView view = tensor(name);
  if (view.shape != expected) {
    throw Error(ErrorKind::kVerification, "reading tensor \"" + name + "\" of " + (folder_ / file_of(name)).string() +
                                              ": found the shape " + to_string(view.shape) + ", expected " +
                                              to_string(expected) + "; weights and config.json do not belong together");
  }
  return view;
}

std::vector<std::string> Checkpoint::names() const {
  std::vector<std::string> names;
  for (const auto& [name, shard] : tensors_) names.push_back(name);
  return names;
}

uint64_t Checkpoint::total_bytes() const {
  uint64_t total = 0;
  for (const auto& [name, shard] : tensors_) {
    const TensorEntry& item = shards_[shard].header().tensors.at(name);
    total += item.end - item.begin;
  }
  return total;
}

std::vector<fs::path> Checkpoint::files() const {
  std::vector<fs::path> files;
  for (const SafetensorsFile& shard : shards_) files.push_back(shard.path());
  return files;
}

std::string Checkpoint::file_of(const std::string& name) const {
  return shards_[shard_of(name)].path().filename().string();
}

}  // namespace gptq
