// Leftmost-longest search for added tokens, with the rules that reject or widen a match.
#include "text/added_tokens.h"

#include <algorithm>

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

int TokenTrie::add(int& first, char byte) {
  for (int node = first; node >= 0; node = nodes_[static_cast<size_t>(node)].sibling) {
    if (nodes_[static_cast<size_t>(node)].byte == byte) return node;
  }
  const int sibling = first;
  first = static_cast<int>(nodes_.size());  // before the vector grows: `first` may live in it
  nodes_.push_back({byte, -1, sibling, -1});
  return static_cast<int>(nodes_.size()) - 1;
}

void TokenTrie::insert(std::string_view content, int value) {
  if (content.empty()) return;
  int node = add(roots_[static_cast<unsigned char>(content[0])], content[0]);
  for (const char byte : content.substr(1)) node = add(nodes_[static_cast<size_t>(node)].child, byte);
  int& stored = nodes_[static_cast<size_t>(node)].value;
  if (stored < 0) stored = value;
}

std::pair<int, size_t> TokenTrie::longest(std::string_view text, size_t position) const {
  std::pair<int, size_t> best{-1, 0};
  int node = roots_[static_cast<unsigned char>(text[position])];
  for (size_t size = 1; node >= 0; ++size) {
    const Node& here = nodes_[static_cast<size_t>(node)];
    if (here.value >= 0) best = {here.value, size};
    if (position + size >= text.size()) break;
    node = here.child;
    while (node >= 0 && nodes_[static_cast<size_t>(node)].byte != text[position + size]) {
      node = nodes_[static_cast<size_t>(node)].sibling;
    }
  }
  return best;
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
  for (size_t i = 0; i < entries_.size(); ++i) {
    const AddedToken& token = entries_[i].token;
    if (!token.normalized) {
      raw_.insert(token.content, static_cast<int>(i));
      continue;
    }
    MarkedText text{to_valid_utf8(token.content), "", false};
    normalizer.apply(text);
    normalized_.insert(text.text, static_cast<int>(i));
  }
}

std::vector<Piece> AddedTokens::cut(const Piece& piece, bool normalized, bool protect) const {
  const TokenTrie& trie = normalized ? normalized_ : raw_;
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
