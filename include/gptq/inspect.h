// What is in a model folder: its configuration, tensors and sizes, read without loading weights.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace gptq {

struct TensorInfo {
  std::string name, dtype, file;
  std::vector<int64_t> shape;
  int64_t bytes = 0;
};

struct ModelInfo {
  std::string folder, architecture, model_type;
  int64_t parameters = 0;  // logical weights; packed codes count as the weights they stand for
  int64_t tensor_bytes = 0;
  int layers = 0, hidden_size = 0, vocab_size = 0, context_length = 0;
  bool quantized = false;
  std::string method;  // of the quantization: "gptq", "awq", "mlx", ...; what follows is known of "gptq"
  int bits = 0, group_size = 0;
  bool sym = true, desc_act = false;
  std::string checkpoint_format;
  std::string quantizer;   // who wrote it, from `meta`
  bool supported = false;  // can this build run it?
  std::string obstacle;    // why not, "" when it can
  std::vector<std::string> files;
  std::vector<TensorInfo> tensors;
  std::vector<std::string> notes;
};

// Throws Error(kVerification) that names the architecture and the supported ones, unless this build runs models with
// such a config.json. `what` names the model.
void check_supported(const std::string& config_json, const std::string& what);

// Also of models in other formats and of files and folders that are no models but are recognised: they are not
// supported, and `obstacle` names what they are. Throws Error(kNotFound | kVerification) naming the file.
ModelInfo inspect(const std::string& folder);

}  // namespace gptq
