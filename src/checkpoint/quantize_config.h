// The quantization configuration: quantize_config.json and config.json's "quantization_config", in every dialect.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include <gptq/quantize.h>

#include "core/json_fwd.h"

namespace gptq::checkpoint {

// v1 ("gptq", nearly all files) stores each zero point minus one; v2 ("gptq_v2") stores it unchanged.
enum class CheckpointFormat { kGptq, kGptqV2 };
std::string to_string(CheckpointFormat format);  // "gptq", "gptq_v2"

struct ModuleSettings {
  int bits = 4;
  int group_size = 128;  // -1: one group per row
  bool sym = true;
  bool desc_act = false;
};

// Major and minor.
using QuantizerVersion = std::array<int, 2>;

struct QuantizeConfig {
  int bits = 4;          // 2, 3, 4 or 8
  int group_size = 128;  // columns per scale; -1: one group per row
  bool sym = true;
  bool desc_act = false;
  bool static_groups = false;
  bool true_sequential = true;
  bool lm_head = false;
  double damp_percent = 0.01;
  CheckpointFormat format = CheckpointFormat::kGptq;
  // On disk a rule's key is "-:PATTERN" for a skip and "+:PATTERN" or "PATTERN" for an override.
  std::vector<ModuleRule> dynamic;                                     // in the file's order
  std::vector<std::vector<std::string>> modules_in_block_to_quantize;  // empty: all linears of a block
  JsonBox<Json> meta = JsonBox<Json>::object();  // not needed to run the model; "quantizer" names the writer
  std::vector<std::string> unknown_keys;         // of the file that was read; ignored
  std::string model_file_base_name;              // file name without ".safetensors", or ""

  std::string quantizer() const;  // meta.quantizer, several joined by ", "; "" if absent
  // The version of the GPTQModel that wrote the folder, 0.0 if unknown; nullopt for other writers, including gptq.
  std::optional<QuantizerVersion> gptqmodel_version() const;

  // The settings of one module: the first rule that matches applies, override or skip, as in GPTQModel, vLLM and
  // SGLang. nullopt: a rule keeps this module dense. Throws Error(kVerification) for a pattern that does not compile.
  std::optional<ModuleSettings> settings_for(const std::string& module) const;
};

// Reads AutoGPTQ's flat form, GPTQModel's (with `meta`) and that of transformers/optimum, with the synonyms
// w_bit, q_group_size, method and format. Ordered, because the order of "dynamic" matters.
// Throws Error(kVerification), naming `what` and the key, for wrong values and for formats that are not GPTQ's
// (marlin, bitblas, AWQ, planar, other pack types).
QuantizeConfig parse_quantize_config(const OrderedJson& json, const std::string& what);

// One complete dialect that every known reader accepts.
OrderedJson to_json(const QuantizeConfig& config);

}  // namespace gptq::checkpoint
