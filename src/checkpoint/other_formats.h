// Other formats in place of a model folder, recognised so that an error can name the format and a remedy.
#pragma once

#include <optional>
#include <string>

#include "checkpoint/safetensors.h"
#include "core/file.h"
#include "core/json_fwd.h"

namespace gptq::checkpoint {

// Why a folder is opened. kLook accepts models quantized with other methods; the others reject them with advice.
enum class Purpose { kRun, kQuantize, kLook };

struct OtherFormat {
  std::string name;        // "gguf", "lora adapter", "mlx", "awq", "fp8", ...
  std::string found;       // description of the path: "a LoRA adapter of mistralai/Mistral-7B-v0.3"
  std::string way_out;     // the remedy; "" if it is the original model
  std::string base;        // the model it was made from, "" if unknown
  std::string bits;        // "4", "4.25", "" if unknown
  bool quantized = false;  // a model in Hugging Face's layout with linears in another packing
};

// The format of a file, or of a folder without config.json or safetensors weights, if it is recognised.
std::optional<OtherFormat> not_a_model(const fs::path& path);

// A quantization config of another method than GPTQ.
std::optional<OtherFormat> other_quantization(const Json& quantize_config);

// A config.json as MLX writes it for quantized models ("quantization" without a method).
std::optional<OtherFormat> mlx_quantization(const Json& config);

// Quantized tensors that need no config to be recognised: MLX, compressed-tensors, EXL2 and EXL3, bitsandbytes, FP8.
std::optional<OtherFormat> other_quantization(const SafetensorsHeader& header);

// Throws Error(kVerification) for a quantized model, Error(kNotFound) for other formats.
[[noreturn]] void refuse(const fs::path& path, const OtherFormat& format, Purpose purpose);

}  // namespace gptq::checkpoint
