// The contents of a model folder: configuration, tensors and sizes, read without loading weights.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace gptq {

struct TensorInfo {
  std::string name, dtype, file;  // dtype as safetensors spells it: "F16", "I32"; file: a path in the folder
  std::vector<int64_t> shape;
  int64_t bytes = 0;
};

struct ModelInfo {
  std::string folder, architecture, model_type;
  int64_t parameters = 0;    // logical weights: a packed code counts as the one weight it encodes
  int64_t tensor_bytes = 0;  // of all tensors as stored
  int layers = 0, hidden_size = 0, vocab_size = 0, context_length = 0;
  bool quantized = false;
  std::string method;  // of the quantization: "gptq", "awq", "mlx" ...; the next fields are set for "gptq" only
  int bits = 0, group_size = 0;  // group_size: input columns that share a scale; -1: one scale per row
  bool sym = true, desc_act = false;
  std::string checkpoint_format;  // "gptq" or "gptq_v2"
  std::string quantizer;          // the program that wrote it, from `meta` of the configuration
  bool supported = false;         // this build can run the model
  std::string obstacle;           // the reason why not; "" when it is supported
  std::vector<std::string> files;
  std::vector<TensorInfo> tensors;
  std::vector<std::string> notes;  // sentences for the user
};

// Throws Error(kVerification), naming the architecture and the supported ones, unless this build can run a model with
// this config.json. `what` names the model in the message.
void check_supported(const std::string& config_json, const std::string& what);

// Describes a model folder. Models in other formats, and files and folders that are recognised but are not models, are
// described as unsupported, with the reason in `obstacle`. Throws Error(kNotFound | kPermission | kVerification),
// naming the file.
ModelInfo inspect(const std::string& folder);

}  // namespace gptq
