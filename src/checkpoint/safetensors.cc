// Strict reading of safetensors headers, and their exact writing.
#include "checkpoint/safetensors.h"

#include <algorithm>
#include <cstring>

#include <gptq/error.h>

#include "core/json.h"

namespace gptq {

namespace {

constexpr uint64_t kMaxHeaderBytes = 100'000'000;  // the reference's limit
constexpr char kMetadataKey[] = "__metadata__";
constexpr std::string_view kPointerStart = "version https://git-lfs";  // what Git leaves without LFS installed

[[noreturn]] void fail(const std::string& what, const std::string& problem,
                       const std::string& advice = "the file is damaged, fetch it again") {
  throw Error(ErrorKind::kVerification, "reading " + what + ": " + problem + "; " + advice);
}

std::string quoted(const std::string& name) {
  return "tensor \"" + (name.size() > 200 ? name.substr(0, 200) + "..." : name) + "\"";
}

uint64_t read_length(std::span<const std::byte> file) {
  uint64_t length = 0;
  for (int i = 7; i >= 0; --i) length = length << 8 | static_cast<uint64_t>(file[static_cast<size_t>(i)]);
  return length;
}

std::string_view header_text(std::span<const std::byte> file, const std::string& what) {
  const std::string_view all(reinterpret_cast<const char*>(file.data()), file.size());
  if (all.substr(0, kPointerStart.size()) == kPointerStart) {
    fail(what, "found a Git LFS pointer instead of weights", "run `git lfs pull` in the folder");
  }
  const std::string size = std::to_string(file.size());
  if (file.size() < 8) fail(what, "the file has " + size + " bytes, expected at least the 8 of the header length");
  const uint64_t length = read_length(file);
  if (length > kMaxHeaderBytes) {
    fail(what,
         "the header length is " + std::to_string(length) + ", expected at most " + std::to_string(kMaxHeaderBytes),
         "this is no safetensors file, or a damaged one");
  }
  if (length > file.size() - 8) {
    fail(what, "the header length is " + std::to_string(length) + " but the file has only " + size + " bytes");
  }
  const std::string_view text = all.substr(8, static_cast<size_t>(length));
  if (text.empty() || text[0] != '{') fail(what, "the header does not begin with '{'");
  return text;
}

// [first, second] as non-negative 64-bit integers.
bool read_unsigned(const Json& value, uint64_t& out) {
  if (!value.is_number_unsigned()) return false;
  out = value.get<uint64_t>();
  return out <= static_cast<uint64_t>(INT64_MAX);
}

Shape read_shape(const Json& value, const std::string& name, const std::string& what) {
  if (!value.is_array()) fail(what, quoted(name) + " has a \"shape\" that is not a list");
  Shape shape;
  for (const Json& item : value) {
    uint64_t extent = 0;
    if (!read_unsigned(item, extent)) fail(what, quoted(name) + " has a \"shape\" that is not of whole numbers");
    shape.push_back(static_cast<int64_t>(extent));
  }
  return shape;
}

void check_size(const TensorEntry& entry, const std::string& name, const std::string& what) {
  if (entry.end < entry.begin) fail(what, quoted(name) + " ends before it begins");
  uint64_t elements = 1;
  for (int64_t extent : entry.shape) {
    if (__builtin_mul_overflow(elements, static_cast<uint64_t>(extent), &elements) ||
        elements > static_cast<uint64_t>(INT64_MAX)) {
      fail(what, quoted(name) + " has the shape " + to_string(entry.shape) + ", which overflows 64 bits");
    }
  }
  uint64_t bytes = 0;
  if (!entry.dtype) {  // unknown types have at least one bit for each element
    if (elements / 8 > entry.end - entry.begin) fail(what, quoted(name) + " is too short for its shape");
    return;
  }
  if (__builtin_mul_overflow(elements, static_cast<uint64_t>(size_of(*entry.dtype)), &bytes) ||
      bytes != entry.end - entry.begin) {
    fail(what, quoted(name) + " of type " + entry.dtype_name + " and shape " + to_string(entry.shape) + " occupies " +
                   std::to_string(entry.end - entry.begin) + " bytes, which does not fit its shape");
  }
}

TensorEntry read_entry(const Json& value, const std::string& name, const std::string& what) {
  if (!value.is_object()) fail(what, quoted(name) + " is not an object");
  for (const char* key : {"dtype", "shape", "data_offsets"}) {
    if (!value.contains(key)) fail(what, quoted(name) + " has no \"" + key + "\"");
  }
  TensorEntry entry;
  if (!value["dtype"].is_string()) fail(what, quoted(name) + " has a \"dtype\" that is not a string");
  entry.dtype_name = value["dtype"].get<std::string>();
  entry.dtype = dtype_from_name(entry.dtype_name);
  entry.shape = read_shape(value["shape"], name, what);
  const Json& offsets = value["data_offsets"];
  if (!offsets.is_array() || offsets.size() != 2 || !read_unsigned(offsets[0], entry.begin) ||
      !read_unsigned(offsets[1], entry.end)) {
    fail(what, quoted(name) + " has \"data_offsets\" that are not two whole numbers");
  }
  check_size(entry, name, what);
  return entry;
}

// Sorted by offset, each tensor must begin where the one before ended, the first at 0, the last at the file's end.
void check_layout(const SafetensorsHeader& header, uint64_t buffer_bytes, const std::string& what) {
  struct Range {
    uint64_t begin, end;
    const std::string* name;
  };
  std::vector<Range> ranges;
  for (const auto& [name, entry] : header.tensors) ranges.push_back({entry.begin, entry.end, &name});
  std::sort(ranges.begin(), ranges.end(),
            [](const Range& a, const Range& b) { return a.begin != b.begin ? a.begin < b.begin : a.end < b.end; });
  uint64_t expected = 0;
  for (const Range& range : ranges) {
    if (range.begin != expected) {
      fail(what, quoted(*range.name) + " begins at byte " + std::to_string(range.begin) + ", expected " +
                     std::to_string(expected) + " (" + (range.begin > expected ? "a hole" : "an overlap") + ")");
    }
    expected = range.end;
  }
  if (expected != buffer_bytes) {
    fail(what, "the tensors need " + std::to_string(expected) + " bytes but the file holds " +
                   std::to_string(buffer_bytes) + " after its header (" +
                   (expected > buffer_bytes ? "cut short" : "trailing bytes") + ")");
  }
}

}  // namespace

SafetensorsHeader parse_safetensors_header(std::span<const std::byte> file, const std::string& what) {
  const std::string_view text = header_text(file, what);
  const Json json = parse_json(text, "the header of " + what);  // refuses duplicate keys and bad UTF-8
  SafetensorsHeader header;
  header.data_offset = 8 + text.size();
  for (const auto& [name, value] : json.items()) {
    if (name != kMetadataKey) {
      header.tensors.emplace(name, read_entry(value, name, what));
      continue;
    }
    if (!value.is_object()) fail(what, "\"__metadata__\" is not an object");
    for (const auto& [key, item] : value.items()) {
      if (!item.is_string()) fail(what, "\"__metadata__\" has a value that is not a string, for \"" + key + "\"");
      header.metadata.emplace(key, item.get<std::string>());
    }
  }
  check_layout(header, file.size() - header.data_offset, what);
  return header;
}

SafetensorsFile::SafetensorsFile(const fs::path& path)
    : file_(path), header_(parse_safetensors_header(file_.bytes(), path.string())) {}

TensorView SafetensorsFile::tensor(const std::string& name) const {
  const auto found = header_.tensors.find(name);
  if (found == header_.tensors.end()) fail(path().string(), quoted(name) + " is missing", "check the model folder");
  const TensorEntry& entry = found->second;
  if (!entry.dtype) {
    fail(path().string(), quoted(name) + " has the type " + entry.dtype_name + ", which this program cannot load",
         "use a checkpoint in F32, F16 or BF16");
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
  // Built as text: an ordered JSON object would look every key up in a list.
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

}  // namespace gptq
