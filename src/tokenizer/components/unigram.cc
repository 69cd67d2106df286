// Viterbi search over the word; every position keeps the best path that ends there.
#include "tokenizer/components/unigram.h"

#include <algorithm>
#include <bit>
#include <limits>

#include <gptq/error.h>

#include "core/json.h"
#include "unicode/characters.h"

namespace gptq::tokenizer {

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
  double min_score = std::numeric_limits<double>::infinity();
  scores_.reserve(tables.pieces.entries().size());
  for (const PiecesTap::Piece& piece : tables.pieces.entries()) {
    scores_.push_back(piece.score);
    min_score = std::min(min_score, piece.score);
  }
  unknown_score_ = min_score - 10;
  if (!reader.has("unk_id")) return;
  const int64_t unknown = reader.integer("unk_id");
  if (unknown < 0 || unknown >= static_cast<int64_t>(scores_.size())) {
    reader.fail("unk_id", "an id of the vocabulary, 0 to " + std::to_string(scores_.size()) + " - 1");
  }
  unknown_ = static_cast<TokenId>(unknown);
}

void Unigram::encode(const std::vector<std::string_view>& words, std::vector<TokenId>& ids) const {
  WordCachePool::Lease cache(caches_);
  for (const std::string_view word : words) {
    (*cache).encode(word, ids,
                    [&] { encode_with_offsets(word, [&](const TokenSpan& token) { ids.push_back(token.id); }); });
  }
}

// The best path to each position. Only the scores that a piece can still reach are kept.
std::vector<Unigram::Step> Unigram::best_ways(std::string_view word) const {
  std::vector<Step> ways(word.size() + 1);
  std::vector<double> scores(std::bit_ceil(std::min(trie_.max_string_bytes(), word.size()) + 8));
  const auto score_at = [&](size_t place) -> double& { return scores[place & (scores.size() - 1)]; };
  for (size_t begin = 0; begin < word.size();) {
    const double score = begin == 0 ? 0 : score_at(begin);
    const auto offer = [&](size_t end, double piece_score, TokenId id) {
      Step& way = ways[end];
      if (way.other_end != kUnreached && score + piece_score <= score_at(end)) return;
      if (id < 0) {
        throw Error(ErrorKind::kVerification, "encoding \"" + std::string(word.substr(begin, end - begin)) +
                                                  "\": it is not in the vocabulary and the model has no unk_id");
      }
      way = {static_cast<uint32_t>(begin), id};
      score_at(end) = score + piece_score;
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
  return ways;
}

void Unigram::encode_with_offsets(std::string_view word, const Sink& sink) const {
  std::vector<Step> ways = best_ways(word);
  // Reverses the path, so that it can be followed from the start.
  auto place = static_cast<uint32_t>(word.size());
  for (Step step = ways[place]; place > 0;) {
    const Step before = ways[step.other_end];
    ways[step.other_end] = {place, step.id};
    place = step.other_end;
    step = before;
  }
  const auto put = [&](size_t begin, size_t end, TokenId chosen) {
    const std::string_view text = word.substr(begin, end - begin);
    const TokenId id = chosen == unknown_ ? vocabulary_.find(text) : chosen;
    if (id >= 0) {
      sink({id, begin, end});
    } else if (byte_fallback_ && bytes_.spell(text)) {
      for (const char byte : text) sink({bytes_.id(byte), begin, end});
    } else {
      sink({unknown_, begin, end, true});
    }
  };
  for (size_t begin = 0; begin < word.size();) {
    const TokenId id = ways[begin].id;
    size_t end = ways[begin].other_end;
    while (id == unknown_ && end < word.size() && ways[end].id == unknown_) end = ways[end].other_end;
    put(begin, end, id);
    begin = end;
  }
}

}  // namespace gptq::tokenizer
