// The search runs once over the word; every position keeps the best way to reach it.
#include "text/unigram.h"

#include <algorithm>
#include <limits>

#include <gptq/error.h>

#include "text/unicode.h"

namespace gptq {

namespace {

Vocabulary::Entries numbered(const PiecesTap& pieces) {
  Vocabulary::Entries entries;
  entries.reserve(pieces.entries().size());
  for (const PiecesTap::Piece& piece : pieces.entries()) {
    entries.emplace_back(piece.text, static_cast<int64_t>(entries.size()));
  }
  return entries;
}

PieceTrie trie_of(const Vocabulary& vocabulary) {
  std::vector<PieceTrie::Entry> entries;
  entries.reserve(vocabulary.id_end());
  for (TokenId id = 0; id < static_cast<TokenId>(vocabulary.id_end()); ++id) {
    const std::string* token = vocabulary.token(id);
    if (token != nullptr) entries.emplace_back(*token, vocabulary.find(*token));
  }
  return PieceTrie(std::move(entries));
}

}  // namespace

Unigram::Unigram(const JsonReader& reader, const ModelTables& tables)
    : vocabulary_(numbered(tables.pieces), reader.what() + ".vocab", Vocabulary::Twice::kLastId),
      trie_(trie_of(vocabulary_)),
      bytes_(vocabulary_),
      byte_fallback_(reader.boolean("byte_fallback", false)) {
  if (!reader.at("vocab").is_array()) reader.fail("vocab", "a list of [piece, score]");
  double lowest = std::numeric_limits<double>::infinity();
  scores_.reserve(tables.pieces.entries().size());
  for (const PiecesTap::Piece& piece : tables.pieces.entries()) {
    scores_.push_back(piece.score);
    lowest = std::min(lowest, piece.score);
  }
  unknown_score_ = lowest - 10;
  if (!reader.has("unk_id")) return;
  const int64_t unknown = reader.integer("unk_id");
  if (unknown < 0 || unknown >= static_cast<int64_t>(scores_.size())) {
    reader.fail("unk_id", "an id of the vocabulary, 0 to " + std::to_string(scores_.size()) + " - 1");
  }
  unknown_ = static_cast<TokenId>(unknown);
}

void Unigram::encode(const std::vector<std::string_view>& words, std::vector<TokenId>& ids) const {
  WordCachePool::Lease cache(caches_);
  std::vector<TracedToken> tokens;
  for (const std::string_view word : words) {
    (*cache).encode(word, ids, [&] {
      tokens.clear();
      trace(word, tokens);
      for (const TracedToken& token : tokens) ids.push_back(token.id);
    });
  }
}

void Unigram::trace(std::string_view word, std::vector<TracedToken>& tokens) const {
  constexpr uint32_t kUnreached = UINT32_MAX;
  struct Arrival {
    double score = 0;
    uint32_t begin = kUnreached;  // of the piece that ends here
    TokenId id = 0;
  };
  std::vector<Arrival> arrivals(word.size() + 1);
  for (size_t begin = 0; begin < word.size();) {
    const double score = arrivals[begin].score;
    const auto offer = [&](size_t end, double piece_score, TokenId id) {
      Arrival& arrival = arrivals[end];
      if (arrival.begin != kUnreached && score + piece_score <= arrival.score) return;
      if (id < 0) {
        throw Error(ErrorKind::kVerification, "encoding \"" + std::string(word.substr(begin, end - begin)) +
                                                  "\": it is not in the vocabulary and the model has no unk_id");
      }
      arrival = {score + piece_score, static_cast<uint32_t>(begin), id};
    };
    size_t char_end = begin;
    next_char(word, char_end);
    bool char_known = false;
    uint32_t node = PieceTrie::kRoot;
    for (size_t end = begin; end < word.size();) {
      node = trie_.child(node, word[end]);
      if (node == PieceTrie::kNone) break;
      ++end;
      const TokenId id = trie_.value(node);
      if (id < 0) continue;
      offer(end, scores_[static_cast<size_t>(id)], id);
      char_known |= end == char_end;
    }
    if (!char_known) offer(char_end, unknown_score_, unknown_);
    begin = char_end;
  }

  struct Part {
    size_t begin, end;
    TokenId id;
  };
  std::vector<Part> parts;  // from the end of the word
  for (size_t end = word.size(); end > 0; end = arrivals[end].begin) {
    const Arrival& arrival = arrivals[end];
    if (arrival.id == unknown_ && !parts.empty() && parts.back().id == unknown_)
      parts.back().begin = arrival.begin;
    else
      parts.push_back({arrival.begin, end, arrival.id});
  }
  for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
    const std::string_view text = word.substr(part->begin, part->end - part->begin);
    const TokenId id = part->id == unknown_ ? vocabulary_.find(text) : part->id;
    if (id >= 0) {
      tokens.push_back({id, part->begin, part->end});
    } else if (byte_fallback_ && bytes_.spell(text)) {
      for (const char byte : text) tokens.push_back({bytes_.id(byte), part->begin, part->end});
    } else {
      tokens.push_back({unknown_, part->begin, part->end, true});
    }
  }
}

}  // namespace gptq
