// Strict reading of safetensors headers, in little more memory than the entries of their tensors.
#include <algorithm>
#include <array>
#include <utility>

#include <gptq/error.h>

#include "checkpoint/json_events.h"
#include "checkpoint/safetensors.h"

namespace gptq::checkpoint {

namespace {

constexpr uint64_t kMaxParsedHeader = 100'000'000;  // the reference's limit
constexpr size_t kMaxTensors = 500'000;             // of one file; the largest models have half as many in total
constexpr size_t kMaxMetadata = 100'000;            // entries
constexpr size_t kMaxDimensions = 64;
constexpr char kMetadataKey[] = "__metadata__";
constexpr std::string_view kPointerStart = "version https://git-lfs";  // the file's content without Git LFS

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
  if (length > kMaxParsedHeader) {
    fail(what,
         "the header length is " + std::to_string(length) + ", expected at most " + std::to_string(kMaxParsedHeader),
         "this is not a safetensors file, or it is damaged");
  }
  if (length > file.size() - 8) {
    fail(what, "the header length is " + std::to_string(length) + " but the file has only " + size + " bytes");
  }
  const std::string_view text = all.substr(8, static_cast<size_t>(length));
  if (text.empty() || text[0] != '{') fail(what, "the header does not begin with '{'");
  return text;
}

void check_size(const TensorEntry& entry, const std::string& name, const std::string& what) {
  if (entry.end < entry.begin) fail(what, quoted(name) + " ends before it begins");
  uint64_t elements = 1;
  for (int64_t extent : entry.shape) {
    if (__builtin_mul_overflow(elements, static_cast<uint64_t>(extent), &elements) ||
        elements > static_cast<uint64_t>(INT64_MAX)) {
      fail(what, quoted(name) + " has the shape " + gptq::to_string(entry.shape) + ", which overflows 64 bits");
    }
  }
  uint64_t bytes = 0;
  if (!entry.dtype) {  // unknown types have at least one bit for each element
    if (elements / 8 > entry.end - entry.begin) fail(what, quoted(name) + " is too short for its shape");
    return;
  }
  if (__builtin_mul_overflow(elements, static_cast<uint64_t>(size_of(*entry.dtype)), &bytes) ||
      bytes != entry.end - entry.begin) {
    fail(what, quoted(name) + " of type " + entry.dtype_name + " and shape " + gptq::to_string(entry.shape) +
                   " occupies " + std::to_string(entry.end - entry.begin) + " bytes, which does not fit its shape");
  }
}

// Sorted by offset, the first tensor must begin at 0, each other where the previous one ends, the last end at file end.
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

// Fills a header from the events of its JSON.
class HeaderReader : public JsonEvents {
 public:
  HeaderReader(const std::string& what, SafetensorsHeader& header) : what_(what), header_(header) {}

  void open(bool array) override {
    switch (place_) {
      case Place::kOutsideRoot: place_ = Place::kRoot; return;  // header_text() saw the '{'
      case Place::kRoot:
        if (array) refuse_value();
        place_ = in_metadata_ ? Place::kMetadata : Place::kEntry;
        entry_ = {};
        seen_ = {};
        return;
      case Place::kEntry:
        if (field_ == Field::kDtype || (field_ != Field::kOther && !array)) refuse_value();
        place_ = field_ == Field::kOther ? Place::kIgnored : Place::kNumbers;
        depth_ = 1;
        return;
      case Place::kIgnored: ++depth_; return;
      default: refuse_value();
    }
  }

  void close() override {
    switch (place_) {
      case Place::kNumbers:
        if (field_ == Field::kOffsets && offsets_ != 2) refuse_value();
        place_ = Place::kEntry;
        return;
      case Place::kIgnored:
        if (--depth_ == 0) place_ = Place::kEntry;
        return;
      case Place::kEntry: finish_entry(); [[fallthrough]];
      case Place::kMetadata: place_ = Place::kRoot; return;
      default: return;
    }
  }

  void key(std::string& name) override {
    if (place_ == Place::kRoot) {
      in_metadata_ = name == kMetadataKey;
      if (in_metadata_) {
        if (metadata_seen_) fail(what_, "the key \"__metadata__\" appears twice");
        metadata_seen_ = true;
        return;
      }
      const auto [place, fresh] = header_.tensors.try_emplace(std::move(name));
      if (!fresh) fail(what_, quoted(place->first) + " appears twice");
      if (header_.tensors.size() > kMaxTensors)
        fail(what_, "the header names more than " + std::to_string(kMaxTensors) + " tensors");
      tensor_ = &*place;
    } else if (place_ == Place::kEntry) {
      field_ = name == "dtype"          ? Field::kDtype
               : name == "shape"        ? Field::kShape
               : name == "data_offsets" ? Field::kOffsets
                                        : Field::kOther;
      if (field_ == Field::kOther) return;
      bool& seen = seen_[static_cast<size_t>(field_)];
      if (seen) fail(what_, quoted(tensor_->first) + " has \"" + name + "\" twice");
      seen = true;
      offsets_ = 0;
    } else if (place_ == Place::kMetadata) {
      const auto [place, fresh] = header_.metadata.try_emplace(std::move(name));
      if (!fresh) fail(what_, "\"__metadata__\" has a key twice");
      if (header_.metadata.size() > kMaxMetadata)
        fail(what_, "\"__metadata__\" has more than " + std::to_string(kMaxMetadata) + " entries");
      metadata_ = &*place;
    }
  }

  void scalar(Kind kind, std::string& text, uint64_t number) override {
    switch (place_) {
      case Place::kMetadata:
        if (kind != Kind::kString) refuse_value();
        metadata_->second = std::move(text);
        return;
      case Place::kEntry:
        if (field_ == Field::kOther) return;
        if (field_ != Field::kDtype || kind != Kind::kString) refuse_value();
        entry_.dtype_name = std::move(text);
        return;
      case Place::kNumbers: add_number(kind, number); return;
      case Place::kIgnored: return;
      default: refuse_value();
    }
  }

 private:
  enum class Place { kOutsideRoot, kRoot, kEntry, kNumbers, kIgnored, kMetadata };
  enum class Field : size_t { kDtype, kShape, kOffsets, kOther };

  // The current value has the wrong type for its position.
  [[noreturn]] void refuse_value() const {
    if (place_ == Place::kMetadata)
      fail(what_, "\"__metadata__\" has a value that is not a string, for \"" + metadata_->first + "\"");
    if (place_ == Place::kRoot)
      fail(what_, (in_metadata_ ? "\"__metadata__\"" : quoted(tensor_->first)) + " is not an object");
    if (field_ == Field::kDtype) fail(what_, quoted(tensor_->first) + " has a \"dtype\" that is not a string");
    if (field_ == Field::kOffsets)
      fail(what_, quoted(tensor_->first) + " has \"data_offsets\" that are not two whole numbers");
    fail(what_, quoted(tensor_->first) + " has a \"shape\" that is not " +
                    (place_ == Place::kEntry ? "a list" : "of whole numbers"));
  }

  void add_number(Kind kind, uint64_t number) {
    if (kind != Kind::kUnsigned || number > static_cast<uint64_t>(INT64_MAX)) refuse_value();
    if (field_ == Field::kShape) {
      if (entry_.shape.size() == kMaxDimensions) {
        fail(what_, quoted(tensor_->first) + " has more than " + std::to_string(kMaxDimensions) + " dimensions");
      }
      entry_.shape.push_back(static_cast<int64_t>(number));
      return;
    }
    if (++offsets_ > 2) refuse_value();
    (offsets_ == 1 ? entry_.begin : entry_.end) = number;
  }

  void finish_entry() {
    static constexpr std::array<const char*, 3> kFields = {"dtype", "shape", "data_offsets"};
    for (size_t i = 0; i < kFields.size(); ++i) {
      if (!seen_[i]) fail(what_, quoted(tensor_->first) + " has no \"" + kFields[i] + "\"");
    }
    entry_.dtype = dtype_from_name(entry_.dtype_name);
    check_size(entry_, tensor_->first, what_);
    tensor_->second = std::move(entry_);
  }

  const std::string& what_;
  SafetensorsHeader& header_;
  Place place_ = Place::kOutsideRoot;
  Field field_ = Field::kOther;
  bool in_metadata_ = false, metadata_seen_ = false;
  std::pair<const std::string, TensorEntry>* tensor_ = nullptr;
  std::pair<const std::string, std::string>* metadata_ = nullptr;
  TensorEntry entry_;
  std::array<bool, 3> seen_ = {};
  int offsets_ = 0;
  size_t depth_ = 0;  // inside a field that is ignored
};

}  // namespace

SafetensorsHeader parse_safetensors_header(std::span<const std::byte> file, const std::string& what) {
  const std::string_view text = header_text(file, what);
  SafetensorsHeader header;
  header.data_offset = 8 + text.size();
  HeaderReader reader(what, header);
  read_json_events(text, "the header of " + what, reader);
  check_layout(header, file.size() - header.data_offset, what);
  return header;
}

}  // namespace gptq::checkpoint
