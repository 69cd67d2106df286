// The table of model types, and how files without a type are recognised.
#include "tokenizer/components/subword_model.h"

#include <algorithm>
#include <map>

#include <gptq/error.h>

#include "core/json.h"
#include "tokenizer/components/bpe.h"
#include "tokenizer/components/unigram.h"
#include "tokenizer/components/word_level.h"
#include "tokenizer/components/word_piece.h"

namespace gptq::tokenizer {

namespace {

std::string type_by_keys(const JsonReader& reader) {
  const auto has = [&](std::initializer_list<const char*> keys) {
    return std::all_of(keys.begin(), keys.end(), [&](const char* key) { return reader.json().contains(key); });
  };
  const bool object = reader.has("vocab") && reader.at("vocab").is_object();
  if (object && has({"merges"})) return "BPE";
  if (object && has({"unk_token", "continuing_subword_prefix", "max_input_chars_per_word"})) return "WordPiece";
  if (object && has({"unk_token"})) return "WordLevel";
  return reader.has("vocab") && !object ? "Unigram" : "missing, and its keys are those of no model";
}

template <typename Model>
std::unique_ptr<SubwordModel> make(const JsonReader& reader, const ModelTables& tables) {
  return std::make_unique<Model>(reader, tables);
}

}  // namespace

std::unique_ptr<SubwordModel> make_subword_model(const Json& json, const ModelTables& tables, const std::string& what) {
  using Maker = std::unique_ptr<SubwordModel> (*)(const JsonReader&, const ModelTables&);
  static const std::map<std::string, Maker> kMakers = {
      {"BPE", make<Bpe>}, {"Unigram", make<Unigram>}, {"WordLevel", make<WordLevel>}, {"WordPiece", make<WordPiece>}};
  const JsonReader reader(json, what);
  const std::string type = reader.has("type") ? reader.string("type") : type_by_keys(reader);
  const auto maker = kMakers.find(type);
  if (maker != kMakers.end()) return maker->second(reader, tables);
  throw Error(ErrorKind::kVerification, "reading " + what + ": the model type \"" + type +
                                            "\" is not supported; supported here: BPE, Unigram, WordLevel, WordPiece");
}

}  // namespace gptq::tokenizer
