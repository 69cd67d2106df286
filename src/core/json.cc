// Strict parsing over nlohmann-json, and typed access to one object's fields.
#include "core/json.h"

#include <cmath>
#include <set>
#include <vector>

#include <gptq/error.h>

namespace gptq {

namespace {

constexpr size_t kMaxDepth = 512;

// Watches the parser's events for what the library itself lets pass: duplicate keys and deep nesting.
template <typename Document>
class Guard {
 public:
  bool operator()(int depth, typename Document::parse_event_t event, Document& value) {
    using Event = typename Document::parse_event_t;
    if (static_cast<size_t>(depth) > kMaxDepth) problem_ = "nesting deeper than 512";
    if (event == Event::object_start) keys_.emplace_back();
    if (event == Event::object_end) keys_.pop_back();
    if (event == Event::key && !keys_.back().insert(value.template get<std::string>()).second) {
      problem_ = "the key \"" + value.template get<std::string>() + "\" appears twice";
    }
    if (!problem_.empty()) throw Error(ErrorKind::kVerification, problem_);
    return true;
  }

 private:
  std::vector<std::set<std::string>> keys_;
  std::string problem_;
};

template <typename Document>
Document parse(std::string_view text, const std::string& what) {
  try {
    // The library takes a zero byte for the end of the text; JSON allows none anywhere.
    if (text.find('\0') != std::string_view::npos) throw Error(ErrorKind::kVerification, "found a zero byte");
    Guard<Document> guard;
    return Document::parse(text, [&](int depth, auto event, Document& value) { return guard(depth, event, value); });
  } catch (const nlohmann::json::exception& error) {
    throw Error(ErrorKind::kVerification, "parsing " + what + " as JSON: " + error.what() +
                                              "; the file is damaged or not JSON, fetch or write it again");
  } catch (const Error& error) {
    throw Error(ErrorKind::kVerification, "parsing " + what + " as JSON: " + error.what() +
                                              "; the file is damaged or hostile, fetch it again");
  }
}

}  // namespace

Json parse_json(std::string_view text, const std::string& what) { return parse<Json>(text, what); }

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

}  // namespace gptq
