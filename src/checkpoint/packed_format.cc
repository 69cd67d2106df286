// Shapes, zero-point conventions and validation of the GPTQ format.
#include "checkpoint/packed_format.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>

#include <gptq/error.h>

#include "core/log.h"

namespace gptq::checkpoint {

namespace {

constexpr int kFieldsPerRun = 32;  // codes that fill exactly `bits` words

std::string place_of(const Checkpoint& checkpoint, const std::string& name) {
  return "tensor \"" + name + "\" of " + (checkpoint.folder() / checkpoint.file_of(name)).string();
}

[[noreturn]] void fail(ErrorKind kind, const std::string& where, const std::string& problem) {
  throw Error(kind, "reading " + where + ": " + problem);
}

TensorView find_int32(const Checkpoint& checkpoint, const std::string& name, const Shape& expected) {
  const TensorView view = checkpoint.tensor(name, expected);
  if (view.dtype != DType::kI32) {
    fail(ErrorKind::kVerification, place_of(checkpoint, name),
         "found the type " + std::string(name_of(view.dtype)) + ", expected I32; the layout is not GPTQ's");
  }
  return view;
}

// An aligned copy of an I32 tensor; tensors in files may be unaligned.
Tensor read_int32(const Checkpoint& checkpoint, const std::string& name, const Shape& expected) {
  const TensorView view = find_int32(checkpoint, name, expected);
  Tensor tensor = Tensor::uninitialized(view.dtype, view.shape);
  if (view.bytes() > 0) std::memcpy(tensor.data(), view.data, view.bytes());
  return tensor;
}

Tensor read_scales(const Checkpoint& checkpoint, const std::string& name, const Shape& expected) {
  const std::string where = place_of(checkpoint, name);
  const TensorView view = checkpoint.tensor(name, expected);
  const Tensor wide = to_float32(view, where);
  Tensor scales(DType::kF16, expected);
  const std::span<const float> from = wide.values<float>();
  const std::span<Half> to = scales.values<Half>();
  bool rounded = false;
  for (size_t i = 0; i < from.size(); ++i) {
    to[i] = to_half(from[i]);
    const float back = to_float(to[i]);
    if (!std::isfinite(back)) {
      fail(ErrorKind::kNumerical, where,
           "scale " + std::to_string(i) + " is " + std::to_string(from[i]) +
               ", expected a finite number within F16; quantize the model again");
    }
    rounded = rounded || back != from[i];
  }
  if (rounded) note("rounded " + where + " from " + std::string(name_of(view.dtype)) + " to F16");
  return scales;
}

// All-zero biases are dropped: they have no effect, and AutoGPTQ writes them for linears without bias.
Tensor read_bias(const Checkpoint& checkpoint, const std::string& name, int64_t N) {
  if (!checkpoint.contains(name)) return {};
  Tensor bias = to_float32(checkpoint.tensor(name, {N}), place_of(checkpoint, name));
  bool any = false;
  for (float value : bias.values<float>()) {
    if (!std::isfinite(value)) fail(ErrorKind::kNumerical, place_of(checkpoint, name), "found NaN or infinity");
    any = any || value != 0.0f;
  }
  return any ? std::move(bias) : Tensor();
}

Tensor natural_groups(int64_t K, int64_t group_size) {
  Tensor tensor(DType::kI32, {K});
  const std::span<int32_t> groups = tensor.values<int32_t>();
  for (int64_t k = 0; k < K; ++k) groups[static_cast<size_t>(k)] = static_cast<int32_t>(k / group_size);
  return tensor;
}

Tensor read_groups(const Checkpoint& checkpoint, const std::string& name, int64_t K, int64_t group_size, int64_t G) {
  if (!checkpoint.contains(name)) return natural_groups(K, group_size);  // very old files
  Tensor tensor = read_int32(checkpoint, name, {K});
  bool all_zero = true;
  for (int32_t group : tensor.values<int32_t>()) {
    if (group < 0 || group >= G) {
      fail(ErrorKind::kVerification, place_of(checkpoint, name),
           "found the group " + std::to_string(group) + ", expected 0…" + std::to_string(G - 1) +
               "; the file is damaged, fetch it again");
    }
    all_zero = all_zero && group == 0;
  }
  // With several groups, all zeros mean natural order.
  return all_zero && G > 1 ? natural_groups(K, group_size) : std::move(tensor);
}

// For a zero point of 0 AutoGPTQ's writer sets every higher field of the word to ones. Such a word cannot be
// distinguished from one with several actual wraps, so there is only a warning.
bool looks_damaged(const Tensor& stored, int bits) {
  const std::span<const int32_t> words = stored.values<int32_t>();
  return std::any_of(words.begin(), words.end(),
                     [&](int32_t word) { return std::countl_one(static_cast<uint32_t>(word)) >= 2 * bits; });
}

// Whether every field is `value`.
bool all_fields_are(const Tensor& zeros, int bits, uint32_t value) {
  std::array<int32_t, 8> pattern{};
  for (int i = 0; i < kFieldsPerRun; ++i) pack_field(pattern.data(), i, bits, value);
  const std::span<const int32_t> words = zeros.values<int32_t>();
  for (size_t i = 0; i < words.size(); ++i) {
    if (words[i] != pattern[i % static_cast<size_t>(bits)]) return false;
  }
  return true;
}

// How 1 was subtracted from the zeros of a v1 file: from fields of `bits` bits, possibly not the module's width.
struct Subtraction {
  int bits;
  ZeroRule rule;
};

// GPTQModel subtracts constants from whole words. Before 7.4 they are the constants of the config's width, even for a
// module to which a rule assigns another width (unknown for 7.0 to 7.3 with a config of 3 bits; such modules are read
// field by field). From 7.0 on it subtracts from fields of 3 bits one by one. Symmetric zeros that are the middle field
// by field need no distinction.
Subtraction subtraction_of(const Tensor& stored, const QuantizeConfig& config, const ModuleSettings& settings) {
  const std::optional<QuantizerVersion> gptqmodel = config.gptqmodel_version();
  const uint32_t middle = 1u << (settings.bits - 1);
  if (!gptqmodel || (settings.sym && all_fields_are(stored, settings.bits, middle - 1))) {
    return {settings.bits, ZeroRule::kPerField};
  }
  const bool before_7_0 = *gptqmodel < QuantizerVersion{7, 0}, before_7_4 = *gptqmodel < QuantizerVersion{7, 4};
  const int bits = before_7_0 || (before_7_4 && config.bits != 3) ? config.bits : settings.bits;
  const bool may_wrap = !settings.sym;
  const bool whole_words = bits == 3 ? before_7_0 : may_wrap || bits != settings.bits;
  return {bits, whole_words ? ZeroRule::kWholeWord : ZeroRule::kPerField};
}

Tensor read_zeros(const Checkpoint& checkpoint, const std::string& name, const Shape& expected,
                  const ModuleSettings& settings) {
  const QuantizeConfig& config = *checkpoint.quantize_config();
  Tensor stored = read_int32(checkpoint, name, expected);
  const bool v1 = config.format == CheckpointFormat::kGptq;
  const uint32_t middle = 1u << (settings.bits - 1);
  // A mislabelled symmetric file works with kernels that assume the middle, so it is accepted here too.
  if (settings.sym && all_fields_are(stored, settings.bits, v1 ? middle : middle - 1)) {
    warn(place_of(checkpoint, name) + " holds zeros of format " + (v1 ? "gptq_v2" : "gptq") +
         " although the config says " + to_string(config.format) + "; reading them as the middle of the range");
    if (v1) return stored;
    return plain_zeros(stored.view(), settings.bits, ZeroRule::kPerField);
  }
  if (!v1) return stored;
  if (!settings.sym && !config.gptqmodel_version() && looks_damaged(stored, settings.bits)) {
    warn(place_of(checkpoint, name) +
         " has zeros that look damaged by the writer (runs of ones); expect some wrong "
         "output channels, or quantize the model again in format gptq_v2");
  }
  const auto [bits, rule] = subtraction_of(stored, config, settings);
  return plain_zeros(stored.view(), bits, rule);
}

// Applies `change` to every field of every row of zeros.
template <typename Change>
Tensor map_fields(const TensorView& zeros, int bits, Change change) {
  Tensor result(DType::kI32, zeros.shape);
  const int32_t* from = zeros.values<int32_t>().data();
  int32_t* to = result.values<int32_t>().data();
  // Rows consist of whole runs of 32 fields, so the tensor is one long stream.
  const int64_t fields = zeros.size() * 32 / bits;
  for (int64_t i = 0; i < fields; ++i) pack_field(to, i, bits, change(unpack_field(from, i, bits)));
  return result;
}

// Copies `values` as F16; `what` names them in errors.
Tensor as_half(std::span<const float> values, const std::string& what) {
  Tensor tensor(DType::kF16, {static_cast<int64_t>(values.size())});
  const std::span<Half> to = tensor.values<Half>();
  for (size_t i = 0; i < values.size(); ++i) {
    to[i] = to_half(values[i]);
    if (!std::isfinite(to_float(to[i]))) {
      throw Error(ErrorKind::kNumerical, "storing " + what + ": value " + std::to_string(i) + " is " +
                                             std::to_string(values[i]) + ", expected a finite number within F16");
    }
  }
  return tensor;
}

}  // namespace

std::vector<TensorSpec> packed_specs(const std::string& module, int64_t K, int64_t N, int bits, int64_t group_size,
                                     bool bias) {
  if (K % kFieldsPerRun != 0 || N % kFieldsPerRun != 0 || K <= 0 || N <= 0) {
    throw Error(ErrorKind::kUsage, "packing " + module + ": it has " + std::to_string(K) + " inputs and " +
                                       std::to_string(N) + " outputs, expected multiples of 32; keep it unquantized");
  }
  const int64_t G = GroupSize(group_size).groups(K);
  std::vector<TensorSpec> specs = {{module + ".qweight", DType::kI32, {K * bits / 32, N}},
                                   {module + ".qzeros", DType::kI32, {G, N * bits / 32}},
                                   {module + ".scales", DType::kF16, {G, N}},
                                   {module + ".g_idx", DType::kI32, {K}}};
  if (bias) specs.push_back({module + ".bias", DType::kF16, {N}});
  return specs;
}

Tensor plain_zeros(const TensorView& stored, int bits, ZeroRule rule) {
  const uint32_t mask = (1u << bits) - 1u;
  if (rule == ZeroRule::kPerField) {
    return map_fields(stored, bits, [mask](uint32_t field) { return (field + 1u) & mask; });
  }
  const uint32_t ones = 0xFFFFFFFFu / mask;  // 1 in every field
  const std::array<uint32_t, 3> constants =
      bits == 3 ? std::array{0x24924924u, 0x92492492u, 0x49249249u} : std::array{ones, ones, ones};
  Tensor result(DType::kI32, stored.shape);
  const std::span<const int32_t> from = stored.values<int32_t>();
  const std::span<int32_t> to = result.values<int32_t>();
  const size_t row_words = static_cast<size_t>(stored.shape.back());  // a row begins with the first constant
  for (size_t i = 0; i < from.size(); ++i) {
    to[i] = static_cast<int32_t>(static_cast<uint32_t>(from[i]) + constants[i % row_words % 3]);
  }
  return result;
}

PackedWeight read_packed(const Checkpoint& checkpoint, const std::string& module, int64_t K, int64_t N) {
  const std::string where = "module \"" + module + "\" of " + checkpoint.folder().string();
  if (!checkpoint.quantize_config()) {
    fail(ErrorKind::kVerification, where,
         "found no quantization config, expected quantize_config.json or "
         "\"quantization_config\" in config.json; download the missing file");
  }
  const std::optional<ModuleSettings> settings = checkpoint.quantize_config()->settings_for(module);
  if (!settings) {
    fail(ErrorKind::kVerification, where, "a \"dynamic\" rule keeps it unquantized, expected its \"weight\" tensor");
  }
  if (K % kFieldsPerRun != 0 || N % kFieldsPerRun != 0) {
    fail(ErrorKind::kVerification, where,
         "it has " + std::to_string(K) + " inputs and " + std::to_string(N) +
             " outputs, expected multiples of 32; use a checkpoint that keeps it "
             "unquantized");
  }
  const int bits = settings->bits;
  const int64_t G = GroupSize(settings->group_size).groups(K);

  PackedWeight weight;
  weight.bits = bits;
  weight.in_features = K;
  weight.out_features = N;
  weight.group_size = G == 1 ? K : settings->group_size;
  weight.mapped = find_int32(checkpoint, module + ".qweight", {K * bits / 32, N});
  if (reinterpret_cast<uintptr_t>(weight.mapped.data) % alignof(int32_t) == 0) {
    bring_to_memory({weight.mapped.data, weight.mapped.bytes()});
  } else {
    weight.qweight = read_int32(checkpoint, module + ".qweight", weight.mapped.shape);
    weight.mapped = {};
  }
  weight.scales = read_scales(checkpoint, module + ".scales", {G, N});
  weight.qzeros = read_zeros(checkpoint, module + ".qzeros", {G, N * bits / 32}, *settings);
  weight.g_idx = read_groups(checkpoint, module + ".g_idx", K, weight.group_size, G);
  weight.bias = read_bias(checkpoint, module + ".bias", N);
  return weight;
}

void for_each_stored(const PackedWeight& weight, const std::string& module, CheckpointFormat format,
                     const StoredSink& sink) {
  const auto minus_one = [&](uint32_t zero) {
    if (zero == 0) {
      throw Error(ErrorKind::kUsage, "storing the zeros of " + module +
                                         " in format gptq: found a zero point of 0, "
                                         "expected at least 1; use the format gptq_v2");
    }
    return zero - 1u;
  };
  for (const Half scale : weight.scales.values<Half>()) {
    if (!std::isfinite(to_float(scale))) {
      throw Error(ErrorKind::kNumerical, "storing the scales of " + module + ": found NaN or infinity");
    }
  }
  const bool shifted = format == CheckpointFormat::kGptq;
  const Tensor zeros = shifted ? map_fields(weight.qzeros.view(), weight.bits, minus_one) : Tensor();
  const Tensor bias = weight.bias.empty() ? Tensor() : as_half(weight.bias.values<float>(), "the bias of " + module);
  sink(module + ".qweight", weight.qweight.empty() ? weight.mapped : weight.qweight.view());
  sink(module + ".qzeros", shifted ? zeros.view() : weight.qzeros.view());
  sink(module + ".scales", weight.scales.view());
  sink(module + ".g_idx", weight.g_idx.view());
  if (!bias.empty()) sink(module + ".bias", bias.view());
}

}  // namespace gptq::checkpoint
