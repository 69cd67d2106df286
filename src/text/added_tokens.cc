// Leftmost-longest search for added tokens, with the rules that reject or widen a match.
#include "text/added_tokens.h"

#include <algorithm>
#include <deque>

#include "text/unicode.h"

namespace gptq {

AddedToken AddedToken::from_json(const Json& json, const std::string& what) {
  const JsonReader reader(json, what);
  AddedToken token;
  token.content = reader.string("content");
  token.single_word = reader.boolean("single_word", false);
  token.lstrip = reader.boolean("lstrip", false);
  token.rstrip = reader.boolean("rstrip", false);
  token.special = reader.boolean("special", false);
  token.normalized = reader.boolean("normalized", !token.special);
  return token;
}

AddedToken AddedToken::control(std::string content) {
  AddedToken token;
  token.content = std::move(content);
  token.normalized = false;
  token.special = true;
  return token;
}

void AddedTokens::add(const AddedToken& token, const Vocabulary& vocabulary) {
  if (token.content.empty()) return;
  const auto known = by_content_.find(token.content);
  if (known != by_content_.end()) {
    entries_[known->second].token = token;
  } else {
    TokenId id = vocabulary.find(token.content);
    if (id < 0) id = std::max(static_cast<TokenId>(vocabulary.size()), highest_ + 1);
    highest_ = std::max(highest_, id);
    by_content_[token.content] = entries_.size();
    by_id_[id] = entries_.size();
    entries_.push_back({id, token});
  }
  if (token.special) specials_.insert(token.content);
}

void AddedTokens::prepare(const Normalizer& normalizer) {
  std::vector<PieceTrie::Entry> raw, normalized;
  std::deque<std::string> forms;
  for (size_t i = 0; i < entries_.size(); ++i) {
    const AddedToken& token = entries_[i].token;
    if (!token.normalized) {
      raw.emplace_back(token.content, static_cast<int>(i));
      continue;
    }
    MarkedText text{to_valid_utf8(token.content), "", false};
    normalizer.apply(text);
    normalized.emplace_back(forms.emplace_back(std::move(text.text)), static_cast<int>(i));
  }
  raw_ = PieceTrie(std::move(raw));
  normalized_ = PieceTrie(std::move(normalized));
}

std::vector<Piece> AddedTokens::cut(const Piece& piece, bool normalized, bool protect) const {
  const PieceTrie& trie = normalized ? normalized_ : raw_;
  const std::string& text = piece.text.text;
  std::vector<Piece> pieces;
  const auto put_text = [&](size_t begin, size_t end) {
    const bool at_start = piece.at_start && begin == 0 && !piece.text.front_removed;
    if (begin < end) pieces.push_back({-1, piece.text.substr(begin, end - begin), at_start});
  };
  size_t gap = 0;  // where the text behind the last token begins
  for (size_t position = 0; position < text.size();) {
    if (!trie.may_start(text[position])) {
      ++position;
      continue;
    }
    const auto [index, size] = trie.longest(text, position);
    if (index < 0) {
      ++position;
      continue;
    }
    const Entry& entry = entries_[static_cast<size_t>(index)];
    size_t begin = position;
    size_t end = position + size;
    if (protect && entry.token.special && piece.text.any_marked(begin, end)) {
      ++position;  // a token of the template may begin inside this one
      continue;
    }
    position = end;
    if (entry.token.single_word) {
      size_t after = end;
      const bool free_left = begin == 0 || !is_word(char_before(text, begin));
      const bool free_right = end == text.size() || !is_word(next_char(text, after));
      if (!free_left || !free_right) continue;
    }
    if (entry.token.lstrip) begin = std::max(space_run_begin(text, begin), gap);
    if (entry.token.rstrip) end = space_run_end(text, end);
    put_text(gap, begin);
    pieces.push_back({entry.id, {}, false});
    gap = end;
  }
  put_text(gap, text.size());
  return pieces;
}

const std::string* AddedTokens::token(TokenId id) const {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : &entries_[found->second].token.content;
}

TokenId AddedTokens::find(std::string_view content) const {
  const auto found = by_content_.find(std::string(content));
  return found == by_content_.end() ? -1 : entries_[found->second].id;
}

}  // namespace gptq
