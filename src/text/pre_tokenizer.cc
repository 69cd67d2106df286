// One small class for each pre-tokenizer type, and the table that builds them from JSON.
#include "text/pre_tokenizer.h"

#include <algorithm>
#include <map>

#include "text/byte_level.h"
#include "text/char_tables.h"
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

// Where words are written anew: what is put stands for one byte of the old text.
class WordWriter {
 public:
  explicit WordWriter(Words& words) : words_(words) { text_.reserve(words.text.size() * 2); }
  void put(std::string_view content, size_t source) {
    text_ += content;
    if (source < words_.start_size) start_size_ += content.size();
    if (!words_.origins.empty()) origins_.resize(text_.size(), words_.origins[source]);
  }
  void copy(size_t begin, size_t end) {
    text_.append(words_.text, begin, end - begin);
    if (begin < words_.start_size) start_size_ += std::min(end, words_.start_size) - begin;
    if (words_.origins.empty()) return;
    origins_.insert(origins_.end(), words_.origins.begin() + static_cast<std::ptrdiff_t>(begin),
                    words_.origins.begin() + static_cast<std::ptrdiff_t>(end));
  }
  size_t size() const { return text_.size(); }
  void finish() {
    words_.text = std::move(text_);
    words_.start_size = start_size_;
    words_.origins = std::move(origins_);
  }

 private:
  Words& words_;
  std::string text_;
  size_t start_size_ = 0;
  std::vector<Origin> origins_;
};

// Writes every word anew. `rewrite(word, begin, out)` puts into out; `begin` is where the word stands.
template <typename Rewrite>
void rewrite_words(Words& words, const Rewrite& rewrite) {
  WordWriter out(words);
  for (size_t i = 0; i < words.spans.size(); ++i) {
    const size_t begin = out.size();
    rewrite(words.word(i), words.spans[i].begin, out);
    words.spans[i] = {begin, out.size()};
  }
  out.finish();
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
      rewrite_words(words, [](std::string_view word, size_t begin, WordWriter& out) {
        if (word.front() != ' ') out.put(" ", begin);
        out.copy(begin, begin + word.size());
      });
    }
    if (pattern_) {
      cut_words(words, SplitBehavior::kIsolated, [&](std::string_view text) { return pattern_->cut(text); });
    }
    rewrite_words(words, [](std::string_view word, size_t begin, WordWriter& out) {
      for (size_t i = 0; i < word.size(); ++i) out.put(byte_alphabet(static_cast<unsigned char>(word[i])), begin + i);
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
    const size_t start_size = words.start_size;
    rewrite_words(words, [&](std::string_view word, size_t begin, WordWriter& out) {
      const bool wanted = scheme_ == Scheme::kAlways || (scheme_ == Scheme::kFirst && begin < start_size);
      const bool there = word.front() == ' ' || word.starts_with(replacement_);
      if (wanted && !there) out.put(replacement_, begin);
      for (size_t i = 0; i < word.size();) {
        const size_t space = std::min(word.find(' ', i), word.size());
        out.copy(begin + i, begin + space);
        if (space < word.size()) out.put(replacement_, begin + space);
        i = space + 1;
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

// White space removed, punctuation alone.
class BertWords : public PreTokenizer {
 public:
  void apply(Words& words) const override {
    cut_words(words, SplitBehavior::kRemoved,
              [](std::string_view text) { return cut_at_chars(text, is_whitespace); });
    cut_words(words, SplitBehavior::kIsolated, [](std::string_view text) {
      return cut_at_chars(text, [](char32_t code) { return kPunctuationChars.has(code); });
    });
  }
};

class CharDelimiterSplit : public PreTokenizer {
 public:
  explicit CharDelimiterSplit(char32_t delimiter) : delimiter_(delimiter) {}
  void apply(Words& words) const override {
    cut_words(words, SplitBehavior::kRemoved, [&](std::string_view text) {
      return cut_at_chars(text, [&](char32_t code) { return code == delimiter_; });
    });
  }

 private:
  char32_t delimiter_;
};

class FixedLength : public PreTokenizer {
 public:
  explicit FixedLength(int64_t length) : length_(length) {}
  void apply(Words& words) const override {
    cut_words(words, SplitBehavior::kIsolated, [&](std::string_view text) {
      std::vector<Stretch> stretches;
      for (size_t position = 0; position < text.size();) {
        const size_t begin = position;
        for (int64_t i = 0; i < length_ && position < text.size(); ++i) next_char(text, position);
        stretches.push_back({begin, position, false});
      }
      return stretches;
    });
  }

 private:
  int64_t length_;
};

// Cuts where the script changes. What goes with every script (spaces) before the first real character is dropped.
class UnicodeScripts : public PreTokenizer {
 public:
  void apply(Words& words) const override {
    cut_words(words, SplitBehavior::kRemoved, [](std::string_view text) {
      std::vector<Stretch> stretches;
      int last = 0;
      for (size_t position = 0; position < text.size();) {
        const size_t begin = position;
        const ScriptRange* range = range_of(kScriptRanges, next_char(text, position));
        if (range != nullptr && range->script != last) {
          stretches.push_back({begin, position, false});
          last = range->script;
        } else if (!stretches.empty()) {
          stretches.back().end = position;
        }
      }
      return stretches;
    });
  }
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
        const Kind kind = kWordChars.has(code) ? Kind::kWord : is_whitespace(code) ? Kind::kSpace : Kind::kOther;
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

template <const CharClass& kClass>
bool is_in(char32_t code) {
  return kClass.has(code);
}

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
  return std::make_unique<SplitAtChars>(is_in<kNumericChars>,
                                        alone ? SplitBehavior::kIsolated : SplitBehavior::kContiguous);
}

Made make_delimiter(const Component& component) {
  const std::string delimiter = component.reader().string("delimiter");
  if (!is_valid_utf8(delimiter) || count_chars(delimiter) != 1) component.reader().fail("delimiter", "one character");
  size_t zero = 0;
  return std::make_unique<CharDelimiterSplit>(next_char(delimiter, zero));
}

Made make_fixed_length(const Component& component) {
  const int64_t length = component.reader().integer("length", 5);
  if (length < 1) component.reader().fail("length", "a number of characters, at least 1");
  return std::make_unique<FixedLength>(length);
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
         return std::make_unique<SplitAtChars>(is_in<kPunctuationChars>, split_behavior(c, "Isolated"));
       }},
      {"BertPreTokenizer", [](const Component&) -> Made { return std::make_unique<BertWords>(); }},
      {"CharDelimiterSplit", make_delimiter},
      {"FixedLength", make_fixed_length},
      {"UnicodeScripts", [](const Component&) -> Made { return std::make_unique<UnicodeScripts>(); }},
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
