// The longest match at each step, by walking the trie; a word that cannot be split completely is unknown.
#include "tokenizer/components/word_piece.h"

#include <gptq/error.h>

#include "core/json.h"
#include "unicode/characters.h"

namespace gptq::tokenizer {

namespace {

PieceTrie trie_of(const Vocabulary& vocabulary, const std::string& prefix) {
  std::vector<PieceTrie::Entry> entries;
  for (TokenId id = 0; id < static_cast<TokenId>(vocabulary.id_end()); ++id) {
    const std::string* token = vocabulary.token(id);
    if (token == nullptr || !token->starts_with(prefix)) continue;
    entries.emplace_back(std::string_view(*token).substr(prefix.size()), id);
  }
  return PieceTrie(std::move(entries));
}

}  // namespace

WordPiece::WordPiece(const JsonReader& reader, const ModelTables& tables)
    : vocabulary_(tables.vocab.entries(), reader.what() + ".vocab"),
      whole_(trie_of(vocabulary_, "")),
      inside_(trie_of(vocabulary_, reader.string("continuing_subword_prefix", "##"))),
      unknown_name_(reader.string("unk_token", "[UNK]")),
      unknown_(vocabulary_.find(unknown_name_)),
      max_word_chars_(reader.integer("max_input_chars_per_word", 100)) {
  if (!reader.at("vocab").is_object()) reader.fail("vocab", "an object of tokens and ids");
}

void WordPiece::encode(const std::vector<std::string_view>& words, std::vector<TokenId>& ids) const {
  WordCachePool::Lease cache(caches_);
  for (const std::string_view word : words) {
    (*cache).encode(word, ids,
                    [&] { encode_with_offsets(word, [&](const TokenSpan& token) { ids.push_back(token.id); }); });
  }
}

void WordPiece::encode_with_offsets(std::string_view word, const Sink& sink) const {
  std::vector<TokenSpan> tokens;
  size_t begin = 0;
  if (static_cast<int64_t>(count_chars(word)) <= max_word_chars_) {
    while (begin < word.size()) {
      const auto [id, size] = (begin == 0 ? whole_ : inside_).longest_match(word, begin);
      if (id < 0) break;
      tokens.push_back({id, begin, begin + size});
      begin += size;
    }
  }
  if (begin == word.size()) {
    for (const TokenSpan& token : tokens) sink(token);
    return;
  }
  if (unknown_ < 0) {
    throw Error(ErrorKind::kVerification, "encoding \"" + std::string(word) +
                                              "\": it is not made of tokens, and neither is the unknown token \"" +
                                              unknown_name_ + "\" one");
  }
  sink({unknown_, 0, word.size()});
}

}  // namespace gptq::tokenizer
