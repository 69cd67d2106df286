// Mapped safetensors files, and byte-exact writing of new ones.
#include "checkpoint/safetensors.h"

#include <algorithm>

#include <gptq/error.h>

#include "core/json.h"

namespace gptq::checkpoint {

namespace {

constexpr uint64_t kMaxHeaderBytes = 100'000'000;  // the reference's limit

[[noreturn]] void fail(const fs::path& path, const std::string& name, const std::string& problem) {
  throw Error(ErrorKind::kVerification, "reading " + path.string() + ": tensor \"" + name + "\" " + problem);
}

}  // namespace

SafetensorsFile::SafetensorsFile(const fs::path& path)
    : file_(path), header_(parse_safetensors_header(file_.bytes(), path.string())) {}

TensorView SafetensorsFile::tensor(const std::string& name) const {
  const auto found = header_.tensors.find(name);
  if (found == header_.tensors.end()) fail(path(), name, "is missing; check the model folder");
  const TensorEntry& entry = found->second;
  if (!entry.dtype) {
    fail(path(), name,
         "has the type " + entry.dtype_name + ", which this program cannot load; use a checkpoint in F32, F16 or BF16");
  }
  return {*entry.dtype, entry.shape, file_.bytes().data() + header_.data_offset + entry.begin};
}

uint64_t TensorSpec::bytes() const {
  return static_cast<uint64_t>(element_count(shape)) * static_cast<uint64_t>(size_of(dtype));
}

void sort_for_safetensors(std::vector<TensorSpec>& specs) {
  std::sort(specs.begin(), specs.end(), [](const TensorSpec& a, const TensorSpec& b) {
    return a.dtype != b.dtype ? a.dtype > b.dtype : a.name < b.name;
  });
}

std::string safetensors_header_bytes(const std::vector<TensorSpec>& sorted,
                                     const std::map<std::string, std::string>& metadata) {
  // Built as text: an ordered JSON object searches a list for every key.
  std::string json = "{";
  if (!metadata.empty()) json += "\"__metadata__\":" + Json(metadata).dump();
  uint64_t offset = 0;
  for (const TensorSpec& spec : sorted) {
    const uint64_t end = offset + spec.bytes();
    if (json.size() > 1) json += ",";
    json += Json(spec.name).dump() + ":{\"dtype\":\"" + std::string(name_of(spec.dtype)) +
            "\",\"shape\":" + Json(spec.shape).dump() + ",\"data_offsets\":[" + std::to_string(offset) + "," +
            std::to_string(end) + "]}";
    offset = end;
  }
  json += "}";
  json.append((8 - json.size() % 8) % 8, ' ');
  CHECK(json.size() <= kMaxHeaderBytes);
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes += static_cast<char>(static_cast<uint64_t>(json.size()) >> (8 * i) & 0xFF);
  return bytes + json;
}

std::string safetensors_bytes(const std::map<std::string, TensorView>& tensors,
                              const std::map<std::string, std::string>& metadata) {
  std::vector<TensorSpec> specs;
  for (const auto& [name, view] : tensors) specs.push_back({name, view.dtype, view.shape});
  sort_for_safetensors(specs);
  std::string file = safetensors_header_bytes(specs, metadata);
  for (const TensorSpec& spec : specs) {
    const TensorView& view = tensors.at(spec.name);
    if (view.bytes() > 0) file.append(reinterpret_cast<const char*>(view.data), view.bytes());
  }
  return file;
}

}  // namespace gptq::checkpoint
