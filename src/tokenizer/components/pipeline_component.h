// One component object of tokenizer.json ({"type": ...}), read with errors that name the file, the part and the type.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gptq/error.h>

#include "core/json_fwd.h"

namespace gptq::tokenizer {

// The type of an object without "type" (old files): the first entry whose keys it has.
struct TypeByKeys {
  const char* type;
  std::vector<const char*> keys;
};

// Keeps a reference to the JSON, which must outlive it.
class PipelineComponent {
 public:
  PipelineComponent(const Json& json, const std::string& what)
      : PipelineComponent(json, what, 0, std::make_shared<int>(0)) {}

  const JsonReader& reader() const { return reader_; }
  const std::string& type() const { return type_; }
  std::string what() const { return reader_.what() + " (" + type_ + ")"; }

  // The components of a sequence, listed under `key`.
  std::vector<PipelineComponent> parts(const char* key) const {
    const Json& list = reader_.at(key);
    if (!list.is_array()) reader_.fail(key, "a list of components");
    std::vector<PipelineComponent> result;
    for (size_t i = 0; i < list.size(); ++i) {
      result.push_back(
          PipelineComponent(list[i], reader_.what() + "." + key + "[" + std::to_string(i) + "]", depth_ + 1, count_));
    }
    return result;
  }

  // The table's entry for this type. `untyped` determines the type of components without one.
  template <typename Maker>
  Maker pick(const std::map<std::string, Maker>& makers, const std::vector<TypeByKeys>& untyped = {}) const {
    const auto found = makers.find(type_.empty() ? type_by_keys(untyped) : type_);
    if (found != makers.end()) return found->second;
    std::string known;
    for (const auto& [name, maker] : makers) known += (known.empty() ? "" : ", ") + name;
    throw Error(ErrorKind::kVerification, "reading " + reader_.what() + ": the type \"" + type_ +
                                              "\" is not supported; supported here: " + known);
  }

 private:
  PipelineComponent(const Json& json, const std::string& what, int depth, std::shared_ptr<int> count)
      : reader_(json, what), type_(reader_.string("type", "")), depth_(depth), count_(std::move(count)) {
    constexpr int kMaxDepth = 32, kMaxCount = 1000;
    if (depth > kMaxDepth) throw Error(ErrorKind::kVerification, "reading " + what + ": more than 32 nested sequences");
    if (++*count_ > kMaxCount) {
      throw Error(ErrorKind::kVerification, "reading " + what + ": more than 1000 components in all");
    }
  }

  std::string type_by_keys(const std::vector<TypeByKeys>& untyped) const {
    for (const TypeByKeys& candidate : untyped) {
      const auto has = [&](const char* key) { return reader_.has(key); };
      if (std::all_of(candidate.keys.begin(), candidate.keys.end(), has)) return candidate.type;
    }
    return reader_.string("type");  // throws: the key is missing
  }

  JsonReader reader_;
  std::string type_;
  int depth_;
  std::shared_ptr<int> count_;  // of all components of the file
};

}  // namespace gptq::tokenizer
