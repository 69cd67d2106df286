// Strict parsing over nlohmann-json, and typed access to one object's fields.
#include "core/json.h"

#include <cmath>
#include <unordered_set>
#include <utility>
#include <vector>

#include <gptq/error.h>

namespace gptq {

namespace {

constexpr size_t kMaxDepth = 512;
constexpr size_t kMaxValues = 4'000'000;  // of a document
constexpr size_t kMaxTapped = 8'000'000;  // keys, values and arrays

// Builds the document from the parser's events, and rejects input that the library itself accepts: duplicate keys
// and deep nesting. Faster than the library's own callback parser, which matters for a 30 MB tokenizer.json.
template <typename Document>
class Builder {
 public:
  using Array = typename Document::array_t;
  using Object = typename Document::object_t;

  explicit Builder(const std::vector<JsonTapPoint>& taps) : taps_(taps) {}

  Document take() { return std::move(root_); }

  bool null() { return tap_ ? refuse("null") : put(nullptr); }
  bool boolean(bool value) { return tap_ ? refuse("a boolean") : put(value); }
  bool number_integer(int64_t value) { return tap_ ? tapped(value) : put(value); }
  bool number_unsigned(uint64_t value) {
    if (!tap_) return put(value);
    return value > static_cast<uint64_t>(INT64_MAX) ? refuse("a huge integer") : tapped(static_cast<int64_t>(value));
  }
  bool number_float(double value, const std::string& digits) {
    if (!tap_) return put(value);
    count_tapped();
    tap_->real(digits);
    return true;
  }
  bool string(std::string& value) {
    if (!tap_) return put(std::move(value));
    count_tapped();
    tap_->string(value);
    return true;
  }
  bool binary(typename Document::binary_t&) { return false; }  // JSON text has none

  bool start_object(size_t) { return open(Document::value_t::object); }
  bool start_array(size_t) { return open(Document::value_t::array); }
  bool end_object() { return close(); }
  bool end_array() { return close(); }

  bool key(std::string& name) {
    if (tap_) {
      count_tapped();
      tap_->key(name);
      return true;
    }
    if (open_.size() <= 2) path_[open_.size() - 1] = name;
    slot_ = insert(open_.back().value->template get_ref<Object&>(), name);
    if (slot_ == nullptr) problem("the key \"" + name + "\" appears twice");
    return true;
  }

  bool parse_error(size_t, const std::string&, const nlohmann::json::exception& error) { problem(error.what()); }

 private:
  struct Level {
    Document* value;
    std::unordered_set<std::string> keys;  // of objects without look-up of their own
  };

  [[noreturn]] static void problem(const std::string& reason) { throw Error(ErrorKind::kVerification, reason); }

  static Json* insert(Json::object_t& object, std::string& name) {
    const auto [place, fresh] = object.try_emplace(std::move(name));
    if (!fresh) name = place->first;
    return fresh ? &place->second : nullptr;
  }

  OrderedJson* insert(OrderedJson::object_t& object, std::string& name) {
    if (!open_.back().keys.insert(name).second) return nullptr;
    object.push_back({name, OrderedJson()});
    return &object.back().second;
  }

  template <typename Value>
  bool put(Value&& value) {
    place() = Document(std::forward<Value>(value));
    return true;
  }

  void count_tapped() {
    if (++tapped_ > kMaxTapped) problem("more than 8,000,000 keys, values and arrays in its vocabulary and merges");
  }

  // The position of the next value: the root, after the last array item, or under the last key.
  Document& place() {
    if (++values_ > kMaxValues) problem("more than 4,000,000 values");
    if (open_.empty()) return root_;
    if (!open_.back().value->is_array()) return *slot_;
    Array& items = open_.back().value->template get_ref<Array&>();
    return items.emplace_back();
  }

  bool tapped(int64_t value) {
    count_tapped();
    tap_->integer(value);
    return true;
  }

  bool refuse(const char* kind) {
    tap_->other(kind);
    return true;
  }

  bool open(typename Document::value_t type) {
    if (open_.size() + tap_depth_ >= kMaxDepth) problem("nesting deeper than 512");
    const bool array = type == Document::value_t::array;
    if (tap_) {
      ++tap_depth_;
      count_tapped();
      if (array)
        tap_->open_array();
      else
        tap_->other("an object");
      return true;
    }
    for (const JsonTapPoint& point : taps_) {
      if (open_.size() == 2 && point.array == array && open_[1].value->is_object() && path_[0] == point.parent &&
          path_[1] == point.key) {
        tap_ = point.tap;
      }
    }
    Document& value = place();
    value = Document(type);
    open_.push_back({&value, {}});
    return true;
  }

  bool close() {
    if (tap_depth_ > 0) {
      --tap_depth_;
      tap_->close_array();
      return true;
    }
    tap_ = nullptr;  // its container ends here, if there is one
    open_.pop_back();
    return true;
  }

  const std::vector<JsonTapPoint>& taps_;
  JsonTap* tap_ = nullptr;
  size_t values_ = 0, tapped_ = 0;
  size_t tap_depth_ = 0;  // arrays open inside the tapped container
  std::string path_[2];   // the keys of the two outermost objects
  Document root_;
  Document* slot_ = nullptr;
  std::vector<Level> open_;  // pointers stay valid: a container grows only while it is the innermost one
};

template <typename Document>
Document parse(std::string_view text, const std::string& what, const std::vector<JsonTapPoint>& taps = {}) {
  try {
    // The library treats a zero byte as the end of the text; JSON does not allow zero bytes.
    if (text.find('\0') != std::string_view::npos) throw Error(ErrorKind::kVerification, "found a zero byte");
    Builder<Document> builder(taps);
    Document::sax_parse(text, &builder);
    return builder.take();
  } catch (const Error& error) {
    throw Error(ErrorKind::kVerification,
                "parsing " + what + " as JSON: " + error.what() +
                    "; the file is damaged, malicious or not JSON: download or write it again");
  }
}

}  // namespace

Json parse_json(std::string_view text, const std::string& what) { return parse<Json>(text, what); }

Json parse_json(std::string_view text, const std::string& what, const std::vector<JsonTapPoint>& taps) {
  return parse<Json>(text, what, taps);
}

OrderedJson parse_ordered_json(std::string_view text, const std::string& what) {
  return parse<OrderedJson>(text, what);
}

JsonReader::JsonReader(const Json& object, std::string what) : object_(object), what_(std::move(what)) {
  if (!object_.is_object()) {
    throw Error(ErrorKind::kVerification,
                "reading " + what_ + ": found " + object_.type_name() + ", expected a JSON object");
  }
}

const Json* JsonReader::find(const char* key) const {
  read_.insert(key);
  const auto found = object_.find(key);
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

bool JsonReader::has(const char* key) const { return find(key) != nullptr; }

const Json& JsonReader::at(const char* key) const {
  const Json* value = find(key);
  if (value == nullptr) {
    throw Error(ErrorKind::kVerification, "reading " + what_ + ": the key \"" + key + "\" is missing");
  }
  return *value;
}

void JsonReader::fail(const char* key, const std::string& expected) const {
  std::string found = at(key).dump(-1, ' ', false, Json::error_handler_t::replace);
  if (at(key).is_number_float() && !std::isfinite(at(key).get<double>())) found = "NaN or infinity";
  if (found.size() > 80) found = found.substr(0, 77) + "...";
  throw Error(ErrorKind::kVerification,
              "reading " + what_ + ": \"" + key + "\" is " + found + ", expected " + expected);
}

int64_t JsonReader::integer(const char* key) const {
  const Json& value = at(key);
  if (value.is_number_integer()) {
    if (value.is_number_unsigned() && value.get<uint64_t>() > static_cast<uint64_t>(INT64_MAX)) {
      fail(key, "a 64-bit integer");
    }
    return value.get<int64_t>();
  }
  if (value.is_number_float() && std::abs(value.get<double>()) < 9e15 &&
      value.get<double>() == std::floor(value.get<double>())) {
    return static_cast<int64_t>(value.get<double>());
  }
  fail(key, "an integer");
}

int64_t JsonReader::integer(const char* key, int64_t fallback) const { return has(key) ? integer(key) : fallback; }

double JsonReader::number(const char* key) const {
  if (!at(key).is_number()) fail(key, "a number");
  return at(key).get<double>();
}

double JsonReader::number(const char* key, double fallback) const { return has(key) ? number(key) : fallback; }

bool JsonReader::boolean(const char* key, bool fallback) const {
  if (!has(key)) return fallback;
  if (!at(key).is_boolean()) fail(key, "true or false");
  return at(key).get<bool>();
}

std::string JsonReader::string(const char* key) const {
  if (!at(key).is_string()) fail(key, "a string");
  return at(key).get<std::string>();
}

std::string JsonReader::string(const char* key, const std::string& fallback) const {
  return has(key) ? string(key) : fallback;
}

template <typename Document>
JsonBox<Document>::JsonBox() : document_(std::make_unique<Document>()) {}
template <typename Document>
JsonBox<Document> JsonBox<Document>::object() {
  return JsonBox(Document::object());
}
template <typename Document>
JsonBox<Document>::JsonBox(Document document) : document_(std::make_unique<Document>(std::move(document))) {}
template <typename Document>
JsonBox<Document>::JsonBox(const JsonBox& other) : document_(std::make_unique<Document>(*other.document_)) {}
template <typename Document>
JsonBox<Document>::JsonBox(JsonBox&&) noexcept = default;
template <typename Document>
JsonBox<Document>& JsonBox<Document>::operator=(JsonBox other) noexcept {
  document_.swap(other.document_);
  return *this;
}
template <typename Document>
JsonBox<Document>::~JsonBox() = default;

template class JsonBox<Json>;
template class JsonBox<OrderedJson>;

}  // namespace gptq
