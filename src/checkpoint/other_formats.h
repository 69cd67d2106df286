// What people give where a model is expected: other formats, recognised so that an error can name them and the way out.
#pragma once

#include <optional>
#include <string>

#include "checkpoint/safetensors.h"
#include "core/file.h"
#include "core/json_fwd.h"

namespace gptq::checkpoint {

// What a folder is opened for. Looking shows models of other formats; the others refuse them, each with its own advice.
enum class Purpose { kRun, kQuantize, kLook };

struct OtherFormat {
  std::string name;        // "gguf", "lora adapter", "mlx", "awq", "fp8", ...
  std::string found;       // "a LoRA adapter of mistralai/Mistral-7B-v0.3": what the path is
  std::string way_out;     // "" where the original model is what helps
  std::string base;        // the model it was made from, "" when nothing names it
  std::string bits;        // "4", "4.25", "" when not known
  bool quantized = false;  // a model in Hugging Face's layout, its linears in another packing
};

// A file, or a folder without config.json or without weights in safetensors, when it is recognised.
std::optional<OtherFormat> not_a_model(const fs::path& path);

// A quantization config of another method than GPTQ.
std::optional<OtherFormat> other_quantization(const Json& quantize_config);

// A config.json as MLX writes it for quantized models ("quantization" without a method).
std::optional<OtherFormat> mlx_quantization(const Json& config);

// Quantized tensors that need no config to be recognised: MLX, compressed-tensors, EXL2 and EXL3, bitsandbytes, FP8.
std::optional<OtherFormat> other_quantization(const SafetensorsHeader& header);

// Throws Error(kVerification) for a quantized model, Error(kNotFound) for what is no model.
[[noreturn]] void refuse(const fs::path& path, const OtherFormat& format, Purpose purpose);

}  // namespace gptq::checkpoint
