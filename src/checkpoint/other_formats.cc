// Recognition of other formats by their files, configs and tensors.
#include "checkpoint/other_formats.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <vector>

#include <gptq/error.h>

#include "core/ascii.h"
#include "core/json.h"

namespace gptq::checkpoint {

namespace {

constexpr char kMerge[] =
    "; merge it into its base model first (PEFT: merge_and_unload(), then save_pretrained()) and use the merged "
    "folder";

bool starts_with(const std::string& text, std::string_view start) { return text.rfind(start, 0) == 0; }

bool ends_with(const std::string& text, std::string_view ending) {
  return text.size() >= ending.size() && text.compare(text.size() - ending.size(), ending.size(), ending) == 0;
}

std::string string_at(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_string() ? found->get<std::string>() : "";
}

bool is_gguf(const fs::path& path) {
  std::array<char, 4> magic = {};
  std::ifstream(path, std::ios::binary).read(magic.data(), magic.size());
  return std::string_view(magic.data(), magic.size()) == "GGUF" || ascii_lower(path.extension().string()) == ".gguf";
}

bool is_pickle(const std::string& name) {
  const std::string ending = ascii_lower(fs::path(name).extension().string());
  return ending == ".bin" || ending == ".pt" || ending == ".pth" || ending == ".ckpt";
}

OtherFormat gguf(const std::string& name) {
  return {"gguf", name + ", which is GGUF, the format of llama.cpp", "", "", "", false};
}

OtherFormat pickle(const std::string& name) {
  return {"pickle",
          name + ", and pickled weights can run code when opened and are not read",
          "; convert the model to safetensors first, or use a revision that has them",
          "",
          "",
          false};
}

OtherFormat file_format(const fs::path& path) {
  const std::string name = path.filename().string();
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  if (is_gguf(path)) return gguf("the file " + name);
  if (is_pickle(name)) return pickle("the file " + name);
  const std::string found = ends_with(name, ".safetensors") ? "one weight file of a model" : "a file";
  return {"file",
          found + ", not a model folder",
          "; use the folder that also has config.json and the tokenizer: " + folder.string(),
          "",
          "",
          false};
}

OtherFormat adapter(const fs::path& folder) {
  OtherFormat format{"lora adapter", "a LoRA adapter", kMerge, "", "", false};
  try {
    const fs::path path = folder / "adapter_config.json";
    const Json json = parse_json(read_file(path), path.string());
    if (json.is_object()) format.base = string_at(json, "base_model_name_or_path");
  } catch (const Error&) {  // an adapter despite the invalid file
  }
  if (!format.base.empty()) format.found += " of " + format.base;
  return format;
}

// The bits of a method's own keys, as text.
std::string bits_of(const Json& json, const std::string& method) {
  for (const char* key : {"bits", "w_bit", "wbits", "nbits", "num_bits", "weight_bits"}) {
    if (const auto found = json.find(key); found != json.end() && found->is_number()) return found->dump();
  }
  if (json.find("load_in_4bit") != json.end() && json["load_in_4bit"] == true) return "4";
  if (json.find("load_in_8bit") != json.end() && json["load_in_8bit"] == true) return "8";
  if (method.find("fp8") != std::string::npos) return "8";
  if (method.find("fp4") != std::string::npos) return "4";
  const auto groups = json.find("config_groups");  // compressed-tensors
  if (groups == json.end() || !groups->is_object() || groups->empty()) return "";
  const Json& group = groups->front();
  const auto weights = group.is_object() ? group.find("weights") : group.end();
  return group.is_object() && weights != group.end() && weights->is_object() ? bits_of(*weights, "") : "";
}

OtherFormat quantized(const std::string& method, const std::string& bits) {
  return {method, "quantized with " + method + (bits.empty() ? "" : ", " + bits + " bits"), "", "", bits, true};
}

}  // namespace

std::optional<OtherFormat> not_a_model(const fs::path& path) {
  std::error_code ignored;
  if (fs::is_regular_file(path, ignored)) return file_format(path);
  if (!fs::is_directory(path, ignored)) return std::nullopt;
  std::vector<std::string> names;
  for (const auto& item : fs::directory_iterator(path, ignored)) names.push_back(item.path().filename().string());
  std::sort(names.begin(), names.end());
  const auto has = [&](std::string_view name) { return std::find(names.begin(), names.end(), name) != names.end(); };
  const auto first = [&](const auto& wanted) {
    const auto found = std::find_if(names.begin(), names.end(), wanted);
    return found == names.end() ? std::string() : *found;
  };
  const std::string ordinary = first([](const std::string& name) {
    return (ends_with(name, ".safetensors") || ends_with(name, ".safetensors.index.json")) &&
           !starts_with(name, "adapter_") && !starts_with(name, "consolidated");
  });
  if (has("config.json") && !ordinary.empty()) return std::nullopt;
  if (has("adapter_config.json")) return adapter(path);
  const std::string consolidated = first([](const std::string& name) { return starts_with(name, "consolidated"); });
  if (!consolidated.empty() && ordinary.empty()) {
    return OtherFormat{"consolidated",
                       "a folder with " + consolidated + ", its makers' own layout with other tensor names",
                       "; fetch config.json and the model-*.safetensors files with their index instead, which the same "
                       "repository or one whose name ends in -hf has",
                       "",
                       "",
                       false};
  }
  if (!ordinary.empty()) return std::nullopt;  // only config.json is missing
  const std::string file =
      first([](const std::string& name) { return ascii_lower(fs::path(name).extension().string()) == ".gguf"; });
  if (!file.empty()) return gguf("a folder with " + file);
  if (const std::string weights = first(is_pickle); !weights.empty()) return pickle("a folder with " + weights);
  return std::nullopt;
}

std::optional<OtherFormat> other_quantization(const Json& config) {
  if (!config.is_object()) return std::nullopt;
  std::string method = ascii_lower(string_at(config, "quant_method"));
  if (method.empty()) method = ascii_lower(string_at(config, "method"));
  if (method.empty() && config.contains("version") && config["version"].is_string() && config.contains("zero_point")) {
    method = "awq";  // its files have only a kernel version
  }
  if (method.empty() && (config.contains("load_in_4bit") || config.contains("load_in_8bit"))) method = "bitsandbytes";
  if (method.empty() && config.contains("config_groups")) method = "compressed-tensors";
  if (method.empty() || method == "gptq") return std::nullopt;
  return quantized(method, bits_of(config, method));
}

std::optional<OtherFormat> mlx_quantization(const Json& config) {
  const auto found = config.find("quantization");
  if (found == config.end() || !found->is_object() || !found->contains("bits") || found->contains("quant_method"))
    return std::nullopt;
  const auto standard = config.find("quantization_config");
  const bool named = standard != config.end() && standard->is_object() && standard->contains("quant_method");
  if (named) return std::nullopt;
  return quantized("mlx", bits_of(*found, "mlx"));
}

std::optional<OtherFormat> other_quantization(const SafetensorsHeader& header) {
  static constexpr std::array<std::pair<std::string_view, const char*>, 4> kEndings = {
      {{".weight_packed", "compressed-tensors"},
       {".q_weight", "exl2"},
       {".trellis", "exl3"},
       {".absmax", "bitsandbytes"}}};
  for (const auto& [name, entry] : header.tensors) {
    for (const auto& [ending, method] : kEndings) {
      if (ends_with(name, ending)) return quantized(method, "");
    }
    if (!ends_with(name, ".weight")) continue;
    if (starts_with(entry.dtype_name, "F8_")) return quantized("fp8", "8");
    const std::string module = name.substr(0, name.size() - std::string_view(".weight").size());
    if (entry.dtype_name == "U32" && header.tensors.count(module + ".scales")) return quantized("mlx", "");
  }
  return std::nullopt;
}

void refuse(const fs::path& path, const OtherFormat& format, Purpose purpose) {
  std::string way_out = format.way_out;
  if (way_out.empty()) {
    way_out = purpose == Purpose::kQuantize ? "; quantizing starts from the original 16-bit model in safetensors"
                                            : "; use the original 16-bit model in safetensors or a GPTQ checkpoint of "
                                              "it, which gptq quantize makes";
    if (!format.base.empty()) way_out += " (config.json names " + format.base + ")";
  }
  if (format.quantized) {
    throw Error(ErrorKind::kVerification, "opening " + path.string() + ": the model is already " + format.found +
                                              ", which this program does not read" + way_out);
  }
  throw Error(ErrorKind::kNotFound, "opening " + path.string() + ": found " + format.found +
                                        "; expected a model folder with config.json and *.safetensors" + way_out);
}

}  // namespace gptq::checkpoint
