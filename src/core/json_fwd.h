// JSON: parsing, and typed access with errors that name the file and the key. For headers: Json is only declared here;
// core/json.h defines it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace gptq {

using Json = nlohmann::json;                 // objects sorted by key; hashed enough for large vocabularies
using OrderedJson = nlohmann::ordered_json;  // keeps insertion order, linear look-up: small documents only

// Parses a whole document. `what` names its origin in errors ("models/demo/config.json").
// Throws Error(kVerification) for bad syntax, invalid UTF-8, nesting deeper than 512, duplicate keys, and more than
// 4,000,000 values (a value takes many times the memory of its text).
Json parse_json(std::string_view text, const std::string& what);
OrderedJson parse_ordered_json(std::string_view text, const std::string& what);

// Receives the events of one large container instead of building a document from it: a vocabulary of 262,144 tokens
// loads several times faster that way. May throw to reject values.
class JsonTap {
 public:
  virtual ~JsonTap() = default;
  virtual void key(std::string& name) = 0;  // duplicates are handled by the tap
  virtual void string(std::string& value) = 0;
  virtual void integer(int64_t value) = 0;
  virtual void real(const std::string& digits) = 0;  // a number with a point or an exponent, as the file writes it
  virtual void other(const char* kind) = 0;          // null, a boolean, a huge integer, an object
  virtual void open_array() = 0;                     // inside the container
  virtual void close_array() = 0;
};

// The location of a container to tap: a key of an object that is the value of a key of the root.
struct JsonTapPoint {
  std::string parent;  // "model"
  std::string key;     // "vocab"
  bool array = false;  // an array, else an object; any other value is parsed into the document
  JsonTap* tap = nullptr;
};

// Like parse_json; tapped containers are empty in the document, and together have at most 8,000,000 keys, values and
// arrays (the largest vocabularies in use have 2,500,000).
Json parse_json(std::string_view text, const std::string& what, const std::vector<JsonTapPoint>& taps);

// A document as a member of a struct where Json is only declared: copying it copies the document.
template <typename Document>
class JsonBox {
 public:
  JsonBox();                // null
  static JsonBox object();  // {}
  JsonBox(Document document);
  JsonBox(const JsonBox& other);
  JsonBox(JsonBox&&) noexcept;
  JsonBox& operator=(JsonBox other) noexcept;
  ~JsonBox();

  Document& operator*() { return *document_; }
  const Document& operator*() const { return *document_; }
  Document* operator->() { return document_.get(); }
  const Document* operator->() const { return document_.get(); }

 private:
  std::unique_ptr<Document> document_;  // nullptr once moved from
};
extern template class JsonBox<Json>;
extern template class JsonBox<OrderedJson>;

// One object's fields, read with defaults and with errors that name what was found and expected.
// `null` counts as absent. The object must outlive the reader. Not thread-safe: it remembers what was read.
class JsonReader {
 public:
  JsonReader(const Json& object, std::string what);  // throws Error(kVerification) unless it is an object

  bool has(const char* key) const;          // present and not null
  const Json* find(const char* key) const;  // nullptr when absent or null
  const Json& at(const char* key) const;

  int64_t integer(const char* key) const;
  int64_t integer(const char* key, int64_t fallback) const;
  double number(const char* key) const;
  double number(const char* key, double fallback) const;
  bool boolean(const char* key, bool fallback) const;
  std::string string(const char* key) const;
  std::string string(const char* key, const std::string& fallback) const;

  // True if one of the functions above was called with this key.
  bool was_read(const std::string& key) const { return read_.count(key) > 0; }

  const std::string& what() const { return what_; }
  const Json& json() const { return object_; }
  [[noreturn]] void fail(const char* key, const std::string& expected) const;

 private:
  const Json& object_;
  std::string what_;
  mutable std::set<std::string> read_;
};

}  // namespace gptq
