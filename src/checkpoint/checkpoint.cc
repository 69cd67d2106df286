// Opening a model folder: its configs and weight files, and whether they are consistent.
#include "checkpoint/checkpoint.h"

#include <algorithm>
#include <cstring>

#include <gptq/error.h>

#include "checkpoint/plain_name.h"
#include "core/json.h"
#include "core/log.h"
#include "core/python_json.h"

namespace gptq::checkpoint {

namespace {

constexpr char kEmbedding[] = "model.embed_tokens.weight", kHead[] = "lm_head.weight",
               kPackedHead[] = "lm_head.qweight";
constexpr char kTied[] = "tie_word_embeddings";

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

std::string listed(const std::vector<std::string>& names) {
  constexpr size_t kMaxListed = 8;  // names spelled out in one error
  std::string text;
  for (size_t i = 0; i < std::min(names.size(), kMaxListed); ++i) text += (i ? ", " : "") + names[i];
  if (names.size() > kMaxListed) text += " and " + std::to_string(names.size() - kMaxListed) + " more";
  return text;
}

// A config of another method is stored in `other` instead.
std::optional<QuantizeConfig> find_quantize_config(const fs::path& folder, std::optional<OtherFormat>& other) {
  const auto parse = [&](const OrderedJson& json, const std::string& what) -> std::optional<QuantizeConfig> {
    other = other_quantization(Json(json));
    if (other) return std::nullopt;
    return parse_quantize_config(json, what);
  };
  for (const char* name : {"quantize_config.json", "quant_config.json"}) {
    const fs::path path = folder / name;
    if (!is_file(path)) continue;
    return parse(parse_ordered_json(read_small_file(path), path.string()), path.string());
  }
  const fs::path path = folder / "config.json";
  const OrderedJson config = parse_ordered_python_json(read_small_file(path), path.string());
  other = config.is_object() ? mlx_quantization(Json(config)) : std::nullopt;
  const auto found = config.find("quantization_config");
  if (other || found == config.end() || found->is_null()) return std::nullopt;
  return parse(*found, path.string() + ", \"quantization_config\"");
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

}  // namespace

Checkpoint Checkpoint::open(const fs::path& folder, Purpose purpose) {
  std::error_code ignored;
  if (const auto other = not_a_model(folder)) refuse(folder, *other, purpose);
  if (!fs::is_directory(folder, ignored)) {
    throw Error(ErrorKind::kNotFound, "opening " + folder.string() +
                                          ": found no such folder, expected a model "
                                          "folder with config.json and *.safetensors; check the path");
  }
  Checkpoint checkpoint;
  checkpoint.folder_ = folder;
  const fs::path config_path = folder / "config.json";
  checkpoint.config_ = parse_python_json(read_small_file(config_path), config_path.string());
  JsonReader(*checkpoint.config_, config_path.string());  // must be an object
  std::optional<Error> refused;                           // the quantization config
  try {
    checkpoint.quantize_config_ = find_quantize_config(folder, checkpoint.other_);
  } catch (const Error& error) {
    refused = error;
  }
  try {
    checkpoint.map_files(find_weight_files(folder, candidate_names(checkpoint.quantize_config_, folder)));
  } catch (const Error&) {
    // An error of the config is more specific than a missing file.
    if (refused) throw *refused;
    if (!checkpoint.other_) throw;
    refuse(folder, *checkpoint.other_, purpose);
  }
  if ((refused || checkpoint.other_ || checkpoint.quantize_config_) && checkpoint.all_plain()) {
    checkpoint.ignore_stale_quantization();
    refused.reset();
  }
  if (refused) throw *refused;
  for (const SafetensorsFile& shard : checkpoint.shards_) {
    if (!checkpoint.other_) checkpoint.other_ = other_quantization(shard.header());
  }
  if (checkpoint.other_) {
    checkpoint.quantize_config_.reset();
    const auto base = checkpoint.config_->find("_name_or_path");
    if (base != checkpoint.config_->end() && base->is_string()) checkpoint.other_->base = base->get<std::string>();
    if (purpose != Purpose::kLook) refuse(folder, *checkpoint.other_, purpose);
  }
  checkpoint.complete_names();
  checkpoint.settle_head();
  return checkpoint;
}

void Checkpoint::map_files(const WeightFiles& found) {
  std::map<std::string, size_t> numbers;
  for (const fs::path& file : found.files) {
    numbers.emplace(file.filename().string(), shards_.size());
    shards_.emplace_back(file);
  }
  if (!found.index) {
    for (size_t i = 0; i < shards_.size(); ++i) {
      for (const auto& [tensor, entry] : shards_[i].header().tensors) {
        if (tensors_.emplace(tensor, Place{i, tensor}).second) continue;
        throw Error(ErrorKind::kVerification, "opening the shards of " + folder_.string() + ": the tensor \"" + tensor +
                                                  "\" is in two files; remove the file that is not of this model");
      }
    }
    return;
  }
  std::vector<std::string> missing;
  for (const auto& [tensor, file] : found.file_of) {
    const size_t shard = numbers.at(file);
    if (shards_[shard].contains(tensor)) {
      tensors_.emplace(tensor, Place{shard, tensor});
    } else if (!(tied() && tensor == kHead && found.file_of.size() > 1)) {  // some writers list it without storing it
      missing.push_back(tensor + " (in " + file + ")");
    }
  }
  if (!missing.empty()) {
    throw Error(ErrorKind::kVerification,
                "opening the shards of " + found.index->string() + ": " + std::to_string(missing.size()) +
                    " missing tensor(s): " + listed(missing) + "; the download is incomplete or mixed, fetch it again");
  }
  for (const SafetensorsFile& shard : shards_) {
    for (const auto& [tensor, entry] : shard.header().tensors) {
      if (!found.file_of.count(tensor))
        warn("ignoring tensor " + tensor + " of " + shard.path().string() + ": not in the index");
    }
  }
}

// Whether no tensor can be a quantized weight of any method.
bool Checkpoint::all_plain() const {
  for (const SafetensorsFile& shard : shards_) {
    for (const auto& [name, entry] : shard.header().tensors) {
      if (entry.dtype_name != "BF16" && entry.dtype_name != "F16" && entry.dtype_name != "F32") return false;
      if (name.size() >= 8 && name.compare(name.size() - 8, 8, ".qweight") == 0) return false;
    }
  }
  return true;
}

// Ignores a quantization config that remained after the weights were converted back to 16 or 32 bits.
void Checkpoint::ignore_stale_quantization() {
  warn("ignoring the quantization config of " + folder_.string() +
       ": all of its weights are plain 16-bit or 32-bit numbers; remove quantize_config.json, or "
       "\"quantization_config\" from config.json");
  ignored_quantization_ = other_ ? other_->name : "gptq";
  other_.reset();
  quantize_config_.reset();
}

// Models saved without their head's class lack the prefix "model." of every name.
void Checkpoint::complete_names() {
  const auto has_layers = [&](const std::string& prefix) {
    const auto found = tensors_.lower_bound(prefix + "layers.");
    return found != tensors_.end() && found->first.rfind(prefix + "layers.", 0) == 0;
  };
  if (!has_layers("") || has_layers("model.")) return;
  std::map<std::string, Place> complete;
  for (auto& [name, place] : tensors_) {
    const bool whole = name.rfind("lm_head.", 0) == 0 || name.rfind("model.", 0) == 0;
    complete.emplace(whole ? name : "model." + name, std::move(place));
  }
  tensors_ = std::move(complete);
}

bool Checkpoint::tied() const {
  const auto found = config_->find(kTied);
  return found != config_->end() && *found == true;
}

// The tensors determine whether head and embedding are tied: a config that ties a stored, different head is wrong.
void Checkpoint::settle_head() {
  if (!tied()) return;
  if (!contains(kEmbedding)) {  // writers that store a shared tensor once may keep either name
    if (const auto head = tensors_.find(kHead); head != tensors_.end()) {
      tensors_.emplace(kEmbedding, head->second);
      tensors_.erase(kHead);
    }
    return;
  }
  if (!contains(kHead) && !contains(kPackedHead)) return;
  if (contains(kHead)) {
    const TensorEntry &head_entry = entry(kHead), &embedding_entry = entry(kEmbedding);
    bool same =
        head_entry.dtype && head_entry.dtype == embedding_entry.dtype && head_entry.shape == embedding_entry.shape;
    if (same) {
      const TensorView head = tensor(kHead), embedding = tensor(kEmbedding);
      same = head.bytes() == 0 || std::memcmp(head.data, embedding.data, head.bytes()) == 0;
    }
    if (same) {
      tensors_.erase(kHead);
      return;
    }
  }
  (*config_)[kTied] = false;
  untied_ = true;
  warn((folder_ / "config.json").string() +
       ": \"tie_word_embeddings\" is true, but the folder contains a separate lm_head, " +
       (contains(kHead) ? "which differs from the embedding" : "which is quantized") +
       "; the stored lm_head is used, as if the key were false");
}

OrderedJson Checkpoint::ordered_config() const {
  const fs::path path = folder_ / "config.json";
  OrderedJson config = parse_ordered_python_json(read_small_file(path), path.string());
  if (untied_) config[kTied] = false;
  return config;
}

const Checkpoint::Place& Checkpoint::place_of(const std::string& name) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) throw_missing(name);
  return found->second;
}

// With the probable reason: tying of embedding and head, or a tensor of a larger model.
void Checkpoint::throw_missing(const std::string& name) const {
  std::string advice = "the folder is incomplete or of another architecture";
  if (name.rfind("lm_head.", 0) == 0 && contains(kEmbedding)) {
    advice = std::string("config.json ") + (config_->contains(kTied) ? "says" : "has no") + " \"" + kTied + "\"" +
             (config_->contains(kTied) ? ": false" : "") + "; set it to true if the head is the embedding table, " +
             "or fetch the file that has the tensor";
  } else if (name == kEmbedding && contains(kHead)) {
    advice = std::string("only ") + kHead + " is stored; set \"" + kTied +
             "\" to true in config.json if one table serves as both, or fetch the file that has the tensor";
  } else {
    const std::string ending = "." + name;
    for (const auto& [other, place] : tensors_) {
      if (other.size() <= ending.size() || other.compare(other.size() - ending.size(), ending.size(), ending) != 0)
        continue;
      advice = "found \"" + other + "\", so this is a part of a larger model, which is not supported";
      break;
    }
  }
  throw Error(ErrorKind::kVerification,
              "reading " + folder_.string() + ": the tensor \"" + name + "\" is missing; " + advice);
}

const TensorEntry& Checkpoint::entry(const std::string& name) const {
  const Place& place = place_of(name);
  return shards_[place.shard].header().tensors.at(place.stored);
}

TensorView Checkpoint::tensor(const std::string& name) const {
  const Place& place = place_of(name);
  return shards_[place.shard].tensor(place.stored);
}

TensorView Checkpoint::tensor(const std::string& name, const Shape& expected) const {
  const TensorView view = tensor(name);
  if (view.shape != expected) {
    throw Error(ErrorKind::kVerification, "reading tensor \"" + name + "\" of " + (folder_ / file_of(name)).string() +
                                              ": found the shape " + gptq::to_string(view.shape) + ", expected " +
                                              gptq::to_string(expected) +
                                              "; weights and config.json are of different models");
  }
  return view;
}

std::vector<std::string> Checkpoint::names() const {
  std::vector<std::string> names;
  for (const auto& [name, place] : tensors_) names.push_back(name);
  return names;
}

void Checkpoint::release_pages() const {
  for (const SafetensorsFile& shard : shards_) shard.release();
}

uint64_t Checkpoint::total_bytes() const {
  uint64_t total = 0;
  for (const auto& [name, place] : tensors_) {
    const TensorEntry& item = shards_[place.shard].header().tensors.at(place.stored);
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
  return shards_[place_of(name).shard].path().filename().string();
}

}  // namespace gptq::checkpoint
