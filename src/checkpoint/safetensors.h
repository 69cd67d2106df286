// The safetensors file format: reading a mapped file, and the header bytes for writing one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/dtype.h"
#include "core/file.h"
#include "core/tensor.h"

namespace gptq::checkpoint {

// A file is: N (8 bytes, little-endian) · N bytes of JSON · the data buffer. The JSON maps each tensor's name to
// {"dtype", "shape", "data_offsets": [begin, end]}, offsets counted from the start of the data buffer; the key
// "__metadata__" holds strings. Tensors are row-major and little-endian, and need not be aligned.
// Source: the safetensors format description and its reference implementation.

struct TensorEntry {
  std::optional<DType> dtype;  // absent for an unknown type: listed, never loaded
  std::string dtype_name;      // as spelled in the file
  Shape shape;
  uint64_t begin = 0, end = 0;  // bytes, from the start of the data buffer
};

struct SafetensorsHeader {
  std::map<std::string, std::string> metadata;
  std::map<std::string, TensorEntry> tensors;
  uint64_t data_offset = 0;  // of the data buffer in the file
};

// Checks every rule of the format: header length, JSON syntax and UTF-8, duplicate names, sizes with overflow, holes,
// overlaps and trailing bytes. Time and memory are bounded by limits on the header's length, its tensors, metadata and
// nesting, far above those of real files. Throws Error(kVerification) that begins with `what` (the file's name).
SafetensorsHeader parse_safetensors_header(std::span<const std::byte> file, const std::string& what);

// One mapped file. Views are valid during the lifetime of this object, also after it was moved.
class SafetensorsFile {
 public:
  // Throws Error(kNotFound | kPermission | kVerification) naming the file.
  explicit SafetensorsFile(const fs::path& path);

  const fs::path& path() const { return file_.path(); }
  const SafetensorsHeader& header() const { return header_; }
  bool contains(const std::string& name) const { return header_.tensors.count(name) > 0; }
  void release() const { file_.release(); }

  // Throws Error(kVerification) if the tensor is missing or of an unknown type.
  TensorView tensor(const std::string& name) const;

 private:
  MappedFile file_;
  SafetensorsHeader header_;
};

// A tensor to be written, without its values.
struct TensorSpec {
  std::string name;
  DType dtype = DType::kF16;
  Shape shape;
  uint64_t bytes() const;
  bool operator==(const TensorSpec&) const = default;
};

// The order of tensors in files of the reference writer: by type, widest first, then by name.
void sort_for_safetensors(std::vector<TensorSpec>& specs);

// The length, the JSON and its padding with spaces to a multiple of 8, equal byte for byte to the reference writer's
// for tensors stored in the given order.
std::string safetensors_header_bytes(const std::vector<TensorSpec>& sorted,
                                     const std::map<std::string, std::string>& metadata);

// A whole file from tensors that fit in memory, in the reference's order; for small files and tests.
std::string safetensors_bytes(const std::map<std::string, TensorView>& tensors,
                              const std::map<std::string, std::string>& metadata);

}  // namespace gptq::checkpoint
