// Counting parameters and reading sizes under the field names of different families.
#include "checkpoint/folder_info.h"

#include <algorithm>
#include <climits>
#include <cstdlib>

#include "core/json.h"
#include "core/python_json.h"

namespace gptq::checkpoint {

namespace {

constexpr std::string_view kPackedEnding = ".qweight";

// The first of `keys` with a number in the range of int; 0 without one. Inspection never fails on them.
int first_size(const Json& config, std::initializer_list<const char*> keys) {
  for (const char* key : keys) {
    const auto found = config.find(key);
    if (found == config.end() || !found->is_number_integer()) continue;
    const int64_t value = found->get<int64_t>();
    if (value > 0 && value <= INT_MAX) return static_cast<int>(value);
  }
  return 0;
}

std::string text_of(const Json& config, const char* key) {
  const auto found = config.find(key);
  return found != config.end() && found->is_string() ? found->get<std::string>() : "";
}

// Whether a tensor is a packed module's zeros, scales or groups.
bool describes_packed(const Checkpoint& checkpoint, const std::string& name) {
  for (std::string_view ending : {".qzeros", ".scales", ".g_idx"}) {
    if (!name.ends_with(ending)) continue;
    return checkpoint.contains(name.substr(0, name.size() - ending.size()) + std::string(kPackedEnding));
  }
  return false;
}

// Logical weights of one tensor: codes count as weights; zeros, scales and groups do not count.
int64_t parameters_of(const Checkpoint& checkpoint, const std::string& name) {
  if (!checkpoint.quantize_config()) return element_count(checkpoint.entry(name).shape);
  if (describes_packed(checkpoint, name)) return 0;
  const int64_t elements = element_count(checkpoint.entry(name).shape);
  if (!name.ends_with(kPackedEnding)) return elements;
  const QuantizeConfig& config = *checkpoint.quantize_config();
  const auto settings = config.settings_for(name.substr(0, name.size() - kPackedEnding.size()));
  const int64_t bits = settings ? settings->bits : config.bits;
  return elements / bits * 32 + elements % bits * 32 / bits;
}

void read_sizes(const Json& root, ModelInfo& info) {
  info.model_type = text_of(root, "model_type");
  const auto architectures = root.find("architectures");
  if (architectures != root.end() && architectures->is_array() && !architectures->empty() &&
      architectures->front().is_string()) {
    info.architecture = architectures->front().get<std::string>();
  }
  const auto nested = root.find("text_config");  // the text part of multimodal models
  const Json& config = nested != root.end() && nested->is_object() ? *nested : root;
  info.layers = first_size(config, {"num_hidden_layers", "n_layer", "num_layers", "n_layers"});
  info.hidden_size = first_size(config, {"hidden_size", "n_embd", "d_model"});
  info.vocab_size = first_size(config, {"vocab_size", "padded_vocab_size"});
  info.context_length = first_size(
      config, {"max_position_embeddings", "n_positions", "n_ctx", "max_seq_len", "seq_length", "max_sequence_length"});
}

void read_quantization(const QuantizeConfig& config, ModelInfo& info) {
  info.quantized = true;
  info.method = "gptq";
  info.bits = config.bits;
  info.group_size = config.group_size;
  info.sym = config.sym;
  info.desc_act = config.desc_act;
  info.checkpoint_format = to_string(config.format);
  info.quantizer = config.quantizer();
  if (!config.dynamic.empty()) {
    info.notes.push_back(std::to_string(config.dynamic.size()) + " \"dynamic\" rules override single modules");
  }
  if (!config.unknown_keys.empty()) {
    std::string keys;
    for (const std::string& key : config.unknown_keys) keys += (keys.empty() ? "" : ", ") + key;
    info.notes.push_back("unknown keys of the quantization config are ignored: " + keys);
  }
}

void read_other(const OtherFormat& other, ModelInfo& info) {
  info.quantized = other.quantized;
  if (!other.quantized) return;
  info.method = other.name;
  const bool whole = !other.bits.empty() && other.bits.size() < 3 && other.bits.find('.') == std::string::npos;
  if (whole) info.bits = std::atoi(other.bits.c_str());
  info.notes.push_back("packed tensors of " + other.name + " are counted as they are stored, not as weights");
}

}  // namespace

ModelInfo folder_info(const fs::path& path, const OtherFormat& other) {
  ModelInfo info;
  info.folder = path.string();
  info.obstacle = "it is " + other.found + other.way_out;
  std::error_code ignored;
  const auto add = [&](const fs::path& file) {
    if (!fs::is_regular_file(file, ignored)) return;
    info.files.push_back(file.filename().string());
  };
  if (!fs::is_directory(path, ignored)) {
    add(path);
    return info;
  }
  for (const auto& item : fs::directory_iterator(path, ignored)) add(item.path());
  std::sort(info.files.begin(), info.files.end());
  const fs::path config = path / "config.json";
  if (!fs::is_regular_file(config, ignored)) return info;
  const Json json = parse_python_json(read_small_file(config), config.string());
  if (json.is_object()) read_sizes(json, info);
  return info;
}

ModelInfo folder_info(const Checkpoint& checkpoint) {
  ModelInfo info;
  info.folder = checkpoint.folder().string();
  read_sizes(checkpoint.config(), info);
  if (checkpoint.quantize_config()) read_quantization(*checkpoint.quantize_config(), info);
  if (checkpoint.other_format()) read_other(*checkpoint.other_format(), info);
  if (!checkpoint.ignored_quantization().empty()) {
    info.notes.push_back("the quantization config (" + checkpoint.ignored_quantization() +
                         ") is ignored: all weights are plain 16-bit or 32-bit numbers");
  }
  for (const fs::path& file : checkpoint.files()) info.files.push_back(file.filename().string());
  for (const std::string& name : checkpoint.names()) {
    const TensorEntry& entry = checkpoint.entry(name);
    const int64_t bytes = static_cast<int64_t>(entry.end - entry.begin);
    info.tensors.push_back({name, entry.dtype_name, checkpoint.file_of(name), entry.shape, bytes});
    info.tensor_bytes += bytes;
    info.parameters += parameters_of(checkpoint, name);
    if (!entry.dtype)
      info.notes.push_back("the tensor " + name + " has a type that cannot be loaded: " + entry.dtype_name);
  }
  return info;
}

}  // namespace gptq::checkpoint
