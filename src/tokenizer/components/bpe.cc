// The merge loop of byte-pair encoding: a priority queue of pairs over a linked list of symbols, O(n log n).
#include "tokenizer/components/bpe.h"

#include <algorithm>
#include <array>
#include <bit>
#include <functional>
#include <queue>
#include <span>

#include <gptq/error.h>

#include "core/check.h"
#include "core/json.h"
#include "unicode/characters.h"

namespace gptq::tokenizer {

namespace {

constexpr std::string_view kSpaceMark = "\xE2\x96\x81";  // ▁, how SentencePiece writes a space

uint64_t pair_key(TokenId left, TokenId right) {
  return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
}

size_t pair_hash(uint64_t key) {
  key *= 0x9E3779B97F4A7C15ULL;  // Fibonacci hashing: the high half is well mixed
  return static_cast<size_t>(key >> 32);
}

// A candidate merge: rank and position of its left symbol in one number, so that the lowest rank comes first, and of
// equal ranks the leftmost. It is stale once either side has changed.
using Candidate = uint64_t;

Candidate candidate(uint32_t rank, uint32_t left) { return static_cast<uint64_t>(rank) << 32 | left; }

}  // namespace

Bpe::Bpe(const JsonReader& reader, const ModelTables& tables)
    : vocabulary_(tables.vocab.entries(), reader.what() + ".vocab"),
      prefix_(reader.string("continuing_subword_prefix", "")),
      suffix_(reader.string("end_of_word_suffix", "")),
      unknown_name_(reader.string("unk_token", "")),
      fuse_unknown_(reader.boolean("fuse_unk", false)),
      byte_fallback_(reader.boolean("byte_fallback", false)),
      ignore_merges_(reader.boolean("ignore_merges", false)),
      bytes_(vocabulary_) {
  if (!unknown_name_.empty()) unknown_ = vocabulary_.find(unknown_name_);
  for (size_t code = 0; code < narrow_ids_.size(); ++code) {
    narrow_ids_[code] = vocabulary_.find(utf8(static_cast<char32_t>(code)));
  }
  read_merges(tables.merges, reader);
}

void Bpe::read_merges(const MergesTap& merges, const JsonReader& reader) {
  for (const char* table : {"vocab", "merges"}) reader.at(table);  // there, even if empty
  merges_.resize(std::bit_ceil(std::max<size_t>(16, merges.size() * 2)));
  results_.reserve(merges.size());
  cut_at_space_marks_ = vocabulary_.find(kSpaceMark) >= 0 && prefix_.empty() && suffix_.empty() && !ignore_merges_;
  constexpr size_t kBlock = 64;
  std::array<std::string, kBlock> joined;
  std::array<std::string_view, 3 * kBlock> names;
  std::array<TokenId, 3 * kBlock> ids{};
  for (size_t begin = 0; begin < merges.size(); begin += kBlock) {
    const size_t count = std::min(kBlock, merges.size() - begin);
    for (size_t i = 0; i < count; ++i) {
      const std::string_view left = merges.left(begin + i), right = merges.right(begin + i);
      if (right.starts_with(kSpaceMark) && !left.ends_with(kSpaceMark)) cut_at_space_marks_ = false;
      joined[i] = left;
      joined[i] += right.substr(std::min(prefix_.size(), right.size()));
      names[3 * i] = left, names[3 * i + 1] = right, names[3 * i + 2] = joined[i];
    }
    vocabulary_.find(std::span(names).first(3 * count), ids);
    for (size_t i = 0; i < 3 * count; ++i) {
      if (ids[i] >= 0) continue;
      throw Error(ErrorKind::kVerification, "reading " + reader.what() + ".merges: merge " +
                                                std::to_string(begin + i / 3) + " needs the token \"" +
                                                std::string(names[i]) + "\", which is not in the vocabulary");
    }
    for (size_t i = 0; i < count; ++i) {
      add_merge(ids[3 * i], ids[3 * i + 1], {static_cast<uint32_t>(begin + i), ids[3 * i + 2]});
    }
  }
}

void Bpe::add_merge(TokenId left, TokenId right, Merge merge) {
  const uint64_t key = pair_key(left, right);
  size_t slot = pair_hash(key) & (merges_.size() - 1);
  while (merges_[slot].pair != UINT64_MAX && merges_[slot].pair != key) slot = (slot + 1) & (merges_.size() - 1);
  merges_[slot] = {key, merge};  // the last rank of a duplicate pair is used
  results_.push_back(merge.result);
}

Bpe::Merge Bpe::find_merge(TokenId left, TokenId right) const {
  const uint64_t key = pair_key(left, right);
  for (size_t slot = pair_hash(key) & (merges_.size() - 1); merges_[slot].pair != UINT64_MAX;
       slot = (slot + 1) & (merges_.size() - 1)) {
    if (merges_[slot].pair == key) return merges_[slot].merge;
  }
  return {};
}

// Many models treat a whole prompt as one word. Splitting it before every "▁" that ends a segment of other characters
// produces the same ids, and the parts are found in the cache.
template <typename OnPart>
void Bpe::each_part(std::string_view word, const OnPart& on_part) const {
  size_t begin = 0;
  for (size_t mark = 0; cut_at_space_marks_ && (mark = word.find(kSpaceMark, mark)) != std::string_view::npos;
       mark += kSpaceMark.size()) {
    if (mark == begin || word.substr(begin, mark - begin).ends_with(kSpaceMark)) continue;
    on_part(word.substr(begin, mark - begin));
    begin = mark;
  }
  on_part(word.substr(begin));
}

void Bpe::encode(const std::vector<std::string_view>& words, std::vector<TokenId>& ids) const {
  WordCachePool::Lease cache(caches_);
  for (const std::string_view word : words) {
    each_part(word, [&](std::string_view part) { (*cache).encode(part, ids, [&] { encode_word(part, ids); }); });
  }
}

void Bpe::encode_word(std::string_view word, std::vector<TokenId>& ids) const {
  if (ignore_merges_) {
    if (const TokenId whole = vocabulary_.find(word); whole >= 0) {
      ids.push_back(whole);
      return;
    }
  }
  std::vector<Symbol> symbols;
  symbols.reserve(word.size());
  split_into_symbols(word, symbols, nullptr);
  join(symbols);
  for (size_t i = 0; i < symbols.size(); i = symbols[i].next) ids.push_back(symbols[i].id);
}

void Bpe::encode_with_offsets(std::string_view word, const Sink& sink) const {
  if (ignore_merges_) {
    if (const TokenId whole = vocabulary_.find(word); whole >= 0) return sink({whole, 0, word.size()});
  }
  std::vector<Symbol> symbols;
  std::vector<uint32_t> sizes;
  size_t begin = 0;  // of the next symbol
  each_part(word, [&](std::string_view part) {
    symbols.clear();
    sizes.clear();
    split_into_symbols(part, symbols, &sizes);
    join(symbols);
    for (size_t i = 0; i < symbols.size(); i = symbols[i].next) {
      size_t end = begin;
      for (size_t k = i; k < symbols[i].next; ++k) end += sizes[k];
      sink({symbols[i].id, begin, end});
      begin = end;
    }
  });
}

void Bpe::split_into_symbols(std::string_view word, std::vector<Symbol>& symbols, std::vector<uint32_t>* sizes) const {
  std::string spelling;
  size_t pending_unknown = 0;  // bytes of an unknown token that the next unknown character may be fused into
  const auto add = [&](TokenId id, size_t size) {
    symbols.push_back({id, 0});
    if (sizes != nullptr) sizes->push_back(static_cast<uint32_t>(size));
  };
  const auto flush = [&] {
    if (pending_unknown > 0) add(unknown_, pending_unknown);
    pending_unknown = 0;
  };
  for (size_t position = 0; position < word.size();) {
    const size_t begin = position;
    const char32_t code = next_char(word, position);
    std::string_view character = word.substr(begin, position - begin);
    const bool bare = (begin == 0 || prefix_.empty()) && (position < word.size() || suffix_.empty());
    if (!bare) {
      spelling = begin == 0 ? "" : prefix_;
      spelling += character;
      if (position == word.size()) spelling += suffix_;
      character = spelling;
    }
    const TokenId id = bare && code < narrow_ids_.size() ? narrow_ids_[code] : vocabulary_.find(character);
    if (id >= 0) {
      flush();
      add(id, position - begin);
    } else if (byte_fallback_ && bytes_.spell(character)) {
      for (const char byte : character) add(bytes_.id(byte), 1);
    } else if (!unknown_name_.empty()) {  // without an unknown token the character is dropped
      // many byte-level files name one that is not in the vocabulary and not needed: not an error at loading
      if (unknown_ < 0) {
        throw Error(ErrorKind::kVerification, "encoding \"" + std::string(character) +
                                                  "\": it is not in the vocabulary"
                                                  " and neither is the unknown token \"" +
                                                  unknown_name_ + "\"");
      }
      if (!fuse_unknown_) flush();
      pending_unknown += position - begin;
    }
  }
  flush();
}

void Bpe::join(std::vector<Symbol>& symbols) const {
  CHECK(symbols.size() < size_t{INT32_MAX}, "the text budget keeps words shorter");
  const auto count = static_cast<uint32_t>(symbols.size());
  std::vector<Candidate> storage;
  storage.reserve(symbols.size());
  for (uint32_t i = 0; i < count; ++i) {
    symbols[i].next = i + 1;
    if (i + 1 == count) break;
    const Merge merge = find_merge(symbols[i].id, symbols[i + 1].id);
    if (merge.result >= 0) storage.push_back(candidate(merge.rank, i));
  }
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> queue(std::greater<>{}, std::move(storage));
  const auto consider = [&](uint32_t left, uint32_t right) {
    const Merge merge = find_merge(symbols[left].id, symbols[right].id);
    if (merge.result >= 0) queue.push(candidate(merge.rank, left));
  };
  while (!queue.empty()) {
    const auto rank = static_cast<uint32_t>(queue.top() >> 32), at = static_cast<uint32_t>(queue.top());
    queue.pop();
    Symbol& left = symbols[at];
    if (left.next == kRemoved || left.next == count) continue;
    // Stale unless merging the current pair produces the same token: the test of the reference implementation.
    Symbol& right = symbols[left.next];
    if (find_merge(left.id, right.id).result != results_[rank]) continue;
    left = {results_[rank], right.next};
    right.next = kRemoved;
    symbols[left.next - 1].id = static_cast<TokenId>(at);  // how the next symbol finds this one
    if (at > 0) {
      const Symbol& before = symbols[at - 1];
      consider(before.next == kRemoved ? static_cast<uint32_t>(before.id) : at - 1, at);
    }
    if (left.next < count) consider(at, left.next);
  }
}

}  // namespace gptq::tokenizer
