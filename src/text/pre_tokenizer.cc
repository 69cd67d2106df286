// One small class for each pre-tokenizer type, and the table that builds them from JSON.
#include "text/pre_tokenizer.h"

#include <map>

#include "text/byte_level.h"
#include "text/component.h"
#include "text/pattern.h"
#include "text/split_behavior.h"
#include "text/unicode.h"

namespace gptq {

namespace {

class Chain : public PreTokenizer {
 public:
  explicit Chain(std::vector<std::unique_ptr<PreTokenizer>> parts) : parts_(std::move(parts)) {}
  void apply(Words& words) const override {
    for (const auto& part : parts_) part->apply(words);
  }

 private:
  std::vector<std::unique_ptr<PreTokenizer>> parts_;
};

// Cuts every word further, as `cut` (text -> stretches) and the behaviour say.
template <typename Cut>
void cut_words(Words& words, SplitBehavior behavior, const Cut& cut) {
  std::vector<Span> spans;
  for (size_t i = 0; i < words.spans.size(); ++i) {
    const size_t base = words.spans[i].begin;
    for (const Stretch& stretch : joined(cut(words.word(i)), behavior)) {
      if (!stretch.match && stretch.begin < stretch.end) {
        spans.push_back({base + stretch.begin, base + stretch.end});
      }
    }
  }
  words.spans = std::move(spans);
}

// Writes every word anew. `rewrite(word, first, out)` appends to out; `first`: the word begins the whole input.
template <typename Rewrite>
void rewrite_words(Words& words, const Rewrite& rewrite) {
  std::string text;
  text.reserve(words.text.size() * 2);
  const bool first_at_start = words.at_start && !words.spans.empty() && words.spans[0].begin == 0;
  for (size_t i = 0; i < words.spans.size(); ++i) {
    const size_t begin = text.size();
    rewrite(words.word(i), first_at_start && i == 0, text);
    words.spans[i] = {begin, text.size()};
  }
  words.text = std::move(text);
  words.at_start = first_at_start;
}

// The stretches of single characters for which `is_match` holds; gaps between them are whole.
template <typename IsMatch>
std::vector<Stretch> cut_at_chars(std::string_view text, const IsMatch& is_match) {
  std::vector<Stretch> stretches;
  size_t gap = 0;
  for (size_t position = 0; position < text.size();) {
    const size_t begin = position;
    if (!is_match(next_char(text, position))) continue;
    if (gap < begin) stretches.push_back({gap, begin, false});
    stretches.push_back({begin, position, true});
    gap = position;
  }
  if (gap < text.size()) stretches.push_back({gap, text.size(), false});
  return stretches;
}

class Split : public PreTokenizer {
 public:
  Split(TextPattern pattern, SplitBehavior behavior, bool invert)
      : pattern_(std::move(pattern)), behavior_(behavior), invert_(invert) {}
  void apply(Words& words) const override {
    cut_words(words, behavior_, [&](std::string_view text) {
      std::vector<Stretch> stretches = pattern_.cut(text);
      if (invert_) {
        for (Stretch& stretch : stretches) stretch.match = !stretch.match;
      }
      return stretches;
    });
  }

 private:
  TextPattern pattern_;
  SplitBehavior behavior_;
  bool invert_;
};

class SplitAtChars : public PreTokenizer {
 public:
  using IsMatch = bool (*)(char32_t code);
  SplitAtChars(IsMatch is_match, SplitBehavior behavior) : is_match_(is_match), behavior_(behavior) {}
  void apply(Words& words) const override {
    cut_words(words, behavior_, [&](std::string_view text) { return cut_at_chars(text, is_match_); });
  }

 private:
  IsMatch is_match_;
  SplitBehavior behavior_;
};

class ByteLevel : public PreTokenizer {
 public:
  ByteLevel(bool add_prefix_space, bool use_regex, const std::string& what) : add_prefix_space_(add_prefix_space) {
    if (use_regex) pattern_.emplace(TextPattern::regex(kGpt2Pattern, what));
  }
  void apply(Words& words) const override {
    if (add_prefix_space_) {
      rewrite_words(words, [](std::string_view word, bool, std::string& out) {
        if (word.front() != ' ') out += ' ';
        out += word;
      });
    }
    if (pattern_) {
      cut_words(words, SplitBehavior::kIsolated, [&](std::string_view text) { return pattern_->cut(text); });
    }
    rewrite_words(words, [](std::string_view word, bool, std::string& out) {
      for (const char byte : word) out += byte_alphabet(static_cast<unsigned char>(byte));
    });
  }

 private:
  bool add_prefix_space_;
  std::optional<TextPattern> pattern_;
};

class Metaspace : public PreTokenizer {
 public:
  enum class Scheme { kAlways, kFirst, kNever };

  explicit Metaspace(const Component& component) : replacement_(component.reader().string("replacement")) {
    const JsonReader& reader = component.reader();
    if (!is_valid_utf8(replacement_) || count_chars(replacement_) != 1) reader.fail("replacement", "one character");
    static const std::map<std::string, Scheme> kSchemes = {
        {"always", Scheme::kAlways}, {"first", Scheme::kFirst}, {"never", Scheme::kNever}};
    const auto scheme = kSchemes.find(reader.string("prepend_scheme", "always"));
    if (scheme == kSchemes.end()) reader.fail("prepend_scheme", "\"always\", \"first\" or \"never\"");
    scheme_ = reader.boolean("add_prefix_space", true) ? scheme->second : Scheme::kNever;
    split_ = reader.boolean("split", true);
  }

  void apply(Words& words) const override {
    rewrite_words(words, [&](std::string_view word, bool first, std::string& out) {
      const bool wanted = scheme_ == Scheme::kAlways || (scheme_ == Scheme::kFirst && first);
      const bool there = word.front() == ' ' || word.starts_with(replacement_);
      if (wanted && !there) out += replacement_;
      for (const char byte : word) {
        if (byte == ' ')
          out += replacement_;
        else
          out += byte;
      }
    });
    if (!split_) return;
    size_t zero = 0;
    const char32_t mark = next_char(replacement_, zero);
    cut_words(words, SplitBehavior::kMergedWithNext,
              [&](std::string_view text) { return cut_at_chars(text, [&](char32_t code) { return code == mark; }); });
  }

 private:
  std::string replacement_;
  Scheme scheme_ = Scheme::kAlways;
  bool split_ = true;
};

// Runs of \w and runs of what is neither \w nor white space.
class Whitespace : public PreTokenizer {
 public:
  void apply(Words& words) const override {
    cut_words(words, SplitBehavior::kRemoved, [](std::string_view text) {
      std::vector<Stretch> stretches;
      enum class Kind { kNone, kSpace, kWord, kOther } last = Kind::kNone;
      for (size_t position = 0; position < text.size();) {
        const size_t begin = position;
        const char32_t code = next_char(text, position);
        const Kind kind = is_word(code) ? Kind::kWord : is_whitespace(code) ? Kind::kSpace : Kind::kOther;
        if (kind == last)
          stretches.back().end = position;
        else
          stretches.push_back({begin, position, kind == Kind::kSpace});
        last = kind;
      }
      return stretches;
    });
  }
};

using Made = std::unique_ptr<PreTokenizer>;

Made make(const Component& component);

Made make_chain(const Component& component) {
  std::vector<Made> parts;
  for (const Component& part : component.parts("pretokenizers")) parts.push_back(make(part));
  return std::make_unique<Chain>(std::move(parts));
}

Made make_split(const Component& component) {
  return std::make_unique<Split>(TextPattern::from_json(component.reader().at("pattern"), component.what()),
                                 split_behavior(component, ""), component.reader().boolean("invert", false));
}

Made make_byte_level(const Component& component) {
  return std::make_unique<ByteLevel>(component.reader().boolean("add_prefix_space", true),
                                     component.reader().boolean("use_regex", true), component.what());
}

Made make_digits(const Component& component) {
  const bool alone = component.reader().boolean("individual_digits", false);
  return std::make_unique<SplitAtChars>(is_numeric, alone ? SplitBehavior::kIsolated : SplitBehavior::kContiguous);
}

Made make(const Component& component) {
  using Maker = Made (*)(const Component&);
  static const std::map<std::string, Maker> kMakers = {
      {"Sequence", make_chain},
      {"Split", make_split},
      {"ByteLevel", make_byte_level},
      {"Metaspace", [](const Component& c) -> Made { return std::make_unique<Metaspace>(c); }},
      {"Digits", make_digits},
      {"Punctuation",
       [](const Component& c) -> Made {
         return std::make_unique<SplitAtChars>(is_punctuation, split_behavior(c, "Isolated"));
       }},
      {"Whitespace", [](const Component&) -> Made { return std::make_unique<Whitespace>(); }},
      {"WhitespaceSplit",
       [](const Component&) -> Made { return std::make_unique<SplitAtChars>(is_whitespace, SplitBehavior::kRemoved); }},
  };
  return component.pick(kMakers)(component);
}

}  // namespace

std::unique_ptr<PreTokenizer> make_pre_tokenizer(const Json& json, const std::string& what) {
  if (json.is_null()) return std::make_unique<Chain>(std::vector<Made>{});
  return make(Component(json, what));
}

}  // namespace gptq
