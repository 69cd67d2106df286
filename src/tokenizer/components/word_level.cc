// One look-up per word.
#include "tokenizer/components/word_level.h"

#include <gptq/error.h>

#include "core/json.h"

namespace gptq::tokenizer {

WordLevel::WordLevel(const JsonReader& reader, const ModelTables& tables)
    : vocabulary_(tables.vocab.entries(), reader.what() + ".vocab"),
      unknown_name_(reader.string("unk_token", "<unk>")),
      unknown_(vocabulary_.find(unknown_name_)) {
  if (!reader.at("vocab").is_object()) reader.fail("vocab", "an object of tokens and ids");
}

TokenId WordLevel::id_of(std::string_view word) const {
  const TokenId id = vocabulary_.find(word);
  if (id >= 0) return id;
  if (unknown_ >= 0) return unknown_;
  throw Error(ErrorKind::kVerification, "encoding \"" + std::string(word) +
                                            "\": it is not in the vocabulary and neither is the unknown token \"" +
                                            unknown_name_ + "\"");
}

void WordLevel::encode(const std::vector<std::string_view>& words, std::vector<TokenId>& ids) const {
  for (const std::string_view word : words) ids.push_back(id_of(word));
}

void WordLevel::encode_with_offsets(std::string_view word, const Sink& sink) const {
  sink({id_of(word), 0, word.size()});
}

}  // namespace gptq::tokenizer
