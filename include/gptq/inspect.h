// Describes a model folder: configuration, tensors and sizes. Does not load weights.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace gptq {

struct TensorInfo {
  std::string name, dtype, file;  // dtype as in safetensors: "F16", "I32"; file: relative to the folder
  std::vector<int64_t> shape;
  int64_t bytes = 0;
};

struct ModelInfo {
  std::string folder, architecture, model_type;
  int64_t parameters = 0;    // weights; a packed code counts as one weight
  int64_t tensor_bytes = 0;  // of all tensors, as stored
  int layers = 0, hidden_size = 0, vocab_size = 0, context_length = 0;
  bool quantized = false;
  std::string method;            // of quantization: "gptq", "awq", "mlx" ...; the next fields are set for "gptq" only
  int bits = 0, group_size = 0;  // group_size: input columns that share a scale; -1: one scale per row
  bool sym = true, desc_act = false;
  std::string checkpoint_format;  // "gptq" or "gptq_v2"
  std::string quantizer;          // program that wrote the checkpoint, from `meta` of its configuration
  bool supported = false;         // true when this build can run the model
  std::string obstacle;           // reason why it is not supported, else ""
  std::vector<std::string> files;
  std::vector<TensorInfo> tensors;
  std::vector<std::string> notes;  // sentences for the user
};

// Checks that this build can run a model with this config.json; `what` names the model in messages. Throws
// Error(kVerification), naming the architecture and the supported ones, if it cannot.
void check_supported(const std::string& config_json, const std::string& what);

// Describes a model folder. Models in other formats, and files and folders that are recognised but are not models, are
// described as unsupported, with the reason in `obstacle`. Throws Error(kNotFound | kPermission | kVerification),
// naming the file.
ModelInfo inspect(const std::string& folder);

}  // namespace gptq
