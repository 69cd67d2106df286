// Leftmost-longest search for added tokens, with the rules that reject or widen a match.
#include "tokenizer/components/added_tokens.h"

#include <algorithm>
#include <deque>
#include <utility>

#include <gptq/error.h>

#include "core/json.h"
#include "unicode/char_tables.h"
#include "unicode/characters.h"

namespace gptq::tokenizer {

AddedToken parse_added_token(const Json& json, const std::string& what) {
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

AddedToken control_token(std::string content) {
  AddedToken token;
  token.content = std::move(content);
  token.normalized = false;
  token.special = true;
  return token;
}

void AddedTokens::add(const std::vector<AddedToken>& batch, const Vocabulary& vocabulary) {
  std::vector<const AddedToken*> new_controls;
  for (const AddedToken& token : batch) {
    if (token.special && !token.content.empty() && specials_.insert(token.content).second) {
      new_controls.push_back(&token);
    }
  }
  const auto size = static_cast<TokenId>(vocabulary.size());
  TokenId next = size > 0 ? std::max(size, max_id_ + 1) : max_id_ + 1;
  std::unordered_map<std::string, std::vector<AddedToken>> seen;
  for (const AddedToken& token : batch) {
    if (token.content.empty()) continue;
    std::vector<AddedToken>& twins = seen[token.content];
    const TokenId known = find(token.content);
    const bool there = known >= 0 && flags(known) == token;
    if (there || std::find(twins.begin(), twins.end(), token) != twins.end()) continue;
    twins.push_back(token);
    TokenId id = known >= 0 ? known : vocabulary.find(token.content);
    if (id < 0) id = next++;
    max_id_ = std::max(max_id_, id);
    by_content_[token.content] = id;
    by_id_[id] = token;
    if (!specials_.contains(token.content)) ordinary_patterns_.push_back({id, token.content, token.normalized});
  }
  for (const AddedToken* token : new_controls) {
    control_patterns_.push_back({find(token->content), token->content, token->normalized});
  }
}

void AddedTokens::prepare(const Normalizer& normalizer, const std::string& what) {
  constexpr size_t kMaxBytes = size_t{1} << 23;
  std::vector<PieceTrie::Entry> raw, normalized;
  std::deque<std::string> forms;
  size_t size = 0;
  for (const auto* patterns : {&control_patterns_, &ordinary_patterns_}) {
    for (const Pattern& pattern : *patterns) size += pattern.content.size();
  }
  TextBudget budget("normalizing added tokens of", size);
  const auto count = [&](const std::string& content) {
    if ((size += content.size()) > kMaxBytes) {
      throw Error(ErrorKind::kVerification, "reading " + what +
                                                ": the texts of the added tokens have more than 8 MiB in " +
                                                "all; the file is damaged or malicious: download it again");
    }
  };
  const auto put = [&](const Pattern& pattern) {
    if (!pattern.normalized) {
      raw.emplace_back(pattern.content, pattern.id);
      return;
    }
    MarkedText content;
    content.text = to_valid_utf8(pattern.content);
    AlignedText text(std::move(content), false);
    normalizer.apply(text, budget);
    count(text.text);
    normalized.emplace_back(forms.emplace_back(std::move(text.text)), pattern.id);
  };
  count("");
  for (const Pattern& pattern : control_patterns_) put(pattern);
  for (const Pattern& pattern : ordinary_patterns_) put(pattern);
  raw_ = PieceTrie(std::move(raw));
  normalized_ = PieceTrie(std::move(normalized));
}

void AddedTokens::cut(AlignedText whole, bool normalized, bool protect, const OnToken& on_token,
                      const OnText& on_text) const {
  const PieceTrie& trie = normalized ? normalized_ : raw_;
  const std::string& text = whole.text;
  const auto put_text = [&](size_t begin, size_t end) {
    if (begin < end) on_text(whole.substr(begin, end - begin));
  };
  size_t gap = 0;                     // start of the text after the last token
  size_t run_begin = 1, run_end = 0;  // the last run of white space, so that tokens inside it do not search it again
  for (size_t position = 0; position < text.size();) {
    if (!trie.may_start(text[position])) {
      ++position;
      continue;
    }
    const auto [id, size] = trie.longest_match(text, position);
    if (id < 0) {
      ++position;
      continue;
    }
    const AddedToken& token = flags(id);
    size_t begin = position;
    size_t end = position + size;
    if (protect && is_special(token.content) && whole.any_marked(begin, end)) {
      ++position;  // another token may begin inside this one
      continue;
    }
    position = end;
    if (token.single_word) {
      size_t after = end;
      const bool free_left = begin == 0 || !unicode::kWordChars.has(unicode::char_before(text, begin));
      const bool free_right = end == text.size() || !unicode::kWordChars.has(next_char(text, after));
      if (!free_left || !free_right) continue;
    }
    if (token.lstrip) {
      const std::string_view before = std::string_view(text).substr(0, begin).substr(std::min(gap, begin));
      begin = std::max(begin, gap) - (before.size() - unicode::space_run_begin(before, before.size()));
    }
    if (token.rstrip) {
      if (end < run_begin || end > run_end) run_end = unicode::space_run_end(text, run_begin = end);
      end = run_end;
    }
    put_text(gap, begin);
    if (begin < end) on_token(whole, {id, begin, end});
    gap = end;
  }
  if (gap == 0 && !text.empty()) return on_text(std::move(whole));
  put_text(gap, text.size());
}

const std::string* AddedTokens::token(TokenId id) const {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : &found->second.content;
}

TokenId AddedTokens::find(std::string_view content) const {
  const auto found = by_content_.find(std::string(content));
  return found == by_content_.end() ? -1 : found->second;
}

}  // namespace gptq::tokenizer
