// One small class per pre-tokenizer type, and the table that builds them from JSON.
#include "tokenizer/components/pre_tokenizer.h"

#include <algorithm>
#include <map>

#include "core/json.h"
#include "tokenizer/components/byte_level.h"
#include "tokenizer/components/pipeline_component.h"
#include "tokenizer/components/split_behavior.h"
#include "tokenizer/components/text_pattern.h"
#include "unicode/char_tables.h"
#include "unicode/characters.h"

namespace gptq::tokenizer {

namespace {

// Splits every word further according to the behaviour. `cut(text, sink)` passes the segments of a
// word to sink(segment).
template <typename Cut>
void cut_words(Words& words, SplitBehavior behavior, const Cut& cut) {
  std::vector<Span> spans;
  for (size_t i = 0; i < words.spans.size(); ++i) {
    const uint32_t base = words.spans[i].begin;
    const auto put = [&](size_t begin, size_t end) {
      if (begin < end) spans.push_back({base + static_cast<uint32_t>(begin), base + static_cast<uint32_t>(end)});
    };
    SegmentJoiner joiner(behavior, put);
    cut(words.word(i), [&](const Segment& stretch) { joiner.add(stretch); });
    joiner.finish();
  }
  words.spans = std::move(spans);
}

// Rewrites words: each put() replaces one byte of the old text.
class WordWriter {
 public:
  explicit WordWriter(Words& words) : words_(words) {
    text_.reserve(words.text.size() * 2);  // unwritten pages take no memory
    origins_.reserve(words.origins.size() * 2);
  }
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
  // Converts to the byte alphabet; fast when no origins are requested.
  void spell_bytes(size_t begin, size_t end) {
    const bool plain = begin >= words_.start_size && words_.origins.empty();
    for (size_t i = begin; i < end; ++i) {
      const std::string_view spelling = byte_alphabet(static_cast<unsigned char>(words_.text[i]));
      plain ? static_cast<void>(text_ += spelling) : put(spelling, i);
    }
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

// Rewrites every word. `rewrite(word, begin, out)` writes to out; `begin` is the word's position.
template <typename Rewrite>
void rewrite_words(Words& words, TextBudget& budget, const Rewrite& rewrite) {
  WordWriter out(words);
  for (size_t i = 0; i < words.spans.size(); ++i) {
    const size_t begin = out.size();
    rewrite(words.word(i), words.spans[i].begin, out);
    budget.rewrite(words.spans[i].end - words.spans[i].begin, out.size() - begin);
    words.spans[i] = {static_cast<uint32_t>(begin), static_cast<uint32_t>(out.size())};
  }
  out.finish();
}

// Segments of single characters for which `is_match` holds; gaps between them are not split.
template <typename IsMatch, typename Sink>
void cut_at_chars(std::string_view text, const IsMatch& is_match, const Sink& sink) {
  size_t gap = 0;
  for (size_t position = 0; position < text.size();) {
    const size_t begin = position;
    if (!is_match(next_char(text, position))) continue;
    if (gap < begin) sink(Segment{gap, begin, false});
    sink(Segment{begin, position, true});
    gap = position;
  }
  if (gap < text.size()) sink(Segment{gap, text.size(), false});
}

class Split : public WordStep {
 public:
  Split(TextPattern pattern, SplitBehavior behavior, bool invert)
      : pattern_(std::move(pattern)), behavior_(behavior), invert_(invert) {}
  void apply(Words& words, TextBudget&) const override {
    cut_words(words, behavior_, [&](std::string_view text, const auto& sink) {
      pattern_.cut(text, [&](const Segment& stretch) {
        sink(Segment{stretch.begin, stretch.end, stretch.match != invert_});
      });
    });
  }

 private:
  TextPattern pattern_;
  SplitBehavior behavior_;
  bool invert_;
};

class SplitAtChars : public WordStep {
 public:
  using IsMatch = bool (*)(char32_t code);
  SplitAtChars(IsMatch is_match, SplitBehavior behavior) : is_match_(is_match), behavior_(behavior) {}
  void apply(Words& words, TextBudget&) const override {
    cut_words(words, behavior_, [&](std::string_view text, const auto& sink) { cut_at_chars(text, is_match_, sink); });
  }

 private:
  IsMatch is_match_;
  SplitBehavior behavior_;
};

// The optional first step of ByteLevel.
class PrefixSpace : public WordStep {
 public:
  void apply(Words& words, TextBudget& budget) const override {
    rewrite_words(words, budget, [](std::string_view word, size_t begin, WordWriter& out) {
      if (word.front() != ' ') out.put(" ", begin);
      out.copy(begin, begin + word.size());
    });
  }
};

// The last step of ByteLevel.
class SpellBytes : public WordStep {
 public:
  void apply(Words& words, TextBudget& budget) const override {
    rewrite_words(words, budget, [](std::string_view word, size_t begin, WordWriter& out) {
      out.spell_bytes(begin, begin + word.size());
    });
  }
};

class Metaspace : public WordStep {
 public:
  enum class Scheme { kAlways, kFirst, kNever };

  explicit Metaspace(const PipelineComponent& component) : replacement_(component.reader().string("replacement")) {
    const JsonReader& reader = component.reader();
    if (!is_valid_utf8(replacement_) || count_chars(replacement_) != 1) reader.fail("replacement", "one character");
    static const std::map<std::string, Scheme> kSchemes = {
        {"always", Scheme::kAlways}, {"first", Scheme::kFirst}, {"never", Scheme::kNever}};
    const auto scheme = kSchemes.find(reader.string("prepend_scheme", "always"));
    if (scheme == kSchemes.end()) reader.fail("prepend_scheme", "\"always\", \"first\" or \"never\"");
    scheme_ = reader.boolean("add_prefix_space", true) ? scheme->second : Scheme::kNever;
    split_ = reader.boolean("split", true);
  }

  void apply(Words& words, TextBudget& budget) const override {
    const size_t start_size = words.start_size;
    rewrite_words(words, budget, [&](std::string_view word, size_t begin, WordWriter& out) {
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
    cut_words(words, SplitBehavior::kMergedWithNext, [&](std::string_view text, const auto& sink) {
      cut_at_chars(
          text, [&](char32_t code) { return code == mark; }, sink);
    });
  }

 private:
  std::string replacement_;
  Scheme scheme_ = Scheme::kAlways;
  bool split_ = true;
};

// White space removed, punctuation isolated.
class BertWords : public WordStep {
 public:
  void apply(Words& words, TextBudget&) const override {
    cut_words(words, SplitBehavior::kRemoved,
              [](std::string_view text, const auto& sink) { cut_at_chars(text, unicode::is_whitespace, sink); });
    cut_words(words, SplitBehavior::kIsolated, [](std::string_view text, const auto& sink) {
      cut_at_chars(
          text, [](char32_t code) { return unicode::kPunctuationChars.has(code); }, sink);
    });
  }
};

class CharDelimiterSplit : public WordStep {
 public:
  explicit CharDelimiterSplit(char32_t delimiter) : delimiter_(delimiter) {}
  void apply(Words& words, TextBudget&) const override {
    cut_words(words, SplitBehavior::kRemoved, [&](std::string_view text, const auto& sink) {
      cut_at_chars(
          text, [&](char32_t code) { return code == delimiter_; }, sink);
    });
  }

 private:
  char32_t delimiter_;
};

class FixedLength : public WordStep {
 public:
  explicit FixedLength(int64_t length) : length_(length) {}
  void apply(Words& words, TextBudget&) const override {
    cut_words(words, SplitBehavior::kIsolated, [&](std::string_view text, const auto& sink) {
      for (size_t position = 0; position < text.size();) {
        const size_t begin = position;
        for (int64_t i = 0; i < length_ && position < text.size(); ++i) next_char(text, position);
        sink(Segment{begin, position, false});
      }
    });
  }

 private:
  int64_t length_;
};

// Splits where the script changes. Characters of every script (spaces) before the first other character are dropped.
class UnicodeScripts : public WordStep {
 public:
  void apply(Words& words, TextBudget&) const override {
    cut_words(words, SplitBehavior::kRemoved, [](std::string_view text, const auto& sink) {
      int last = 0;
      Segment stretch;
      for (size_t position = 0; position < text.size();) {
        const size_t begin = position;
        const unicode::ScriptRange* range = unicode::range_of(unicode::kScriptRanges, next_char(text, position));
        if (range != nullptr && range->script != last) {
          if (last != 0) sink(stretch);
          stretch.begin = begin;
          last = range->script;
        }
        stretch.end = position;
      }
      if (last != 0) sink(stretch);
    });
  }
};

// Runs of \w, and runs of what is neither \w nor white space.
class Whitespace : public WordStep {
 public:
  void apply(Words& words, TextBudget&) const override {
    cut_words(words, SplitBehavior::kRemoved, [](std::string_view text, const auto& sink) {
      enum class Kind { kNone, kSpace, kWord, kOther } last = Kind::kNone;
      Segment stretch;
      for (size_t position = 0; position < text.size();) {
        const size_t begin = position;
        const char32_t code = next_char(text, position);
        const Kind kind = unicode::kWordChars.has(code)  ? Kind::kWord
                          : unicode::is_whitespace(code) ? Kind::kSpace
                                                         : Kind::kOther;
        if (kind != last) {
          if (last != Kind::kNone) sink(stretch);
          stretch = {begin, position, kind == Kind::kSpace};
        }
        stretch.end = position;
        last = kind;
      }
      if (last != Kind::kNone) sink(stretch);
    });
  }
};

using Steps = PreTokenizer::Steps;

template <const unicode::CharClass& kClass>
bool is_in(char32_t code) {
  return kClass.has(code);
}

template <typename Step, typename... Args>
void add(Steps& steps, const PipelineComponent& component, Args&&... args) {
  steps.push_back(std::make_unique<Step>(std::forward<Args>(args)...));
  steps.back()->place = component.what();
}

void add_component(Steps& steps, const PipelineComponent& component);

void add_sequence(Steps& steps, const PipelineComponent& component) {
  for (const PipelineComponent& part : component.parts("pretokenizers")) add_component(steps, part);
}

void add_split(Steps& steps, const PipelineComponent& component) {
  add<Split>(steps, component, TextPattern::from_json(component.reader().at("pattern"), component.what()),
             split_behavior(component, ""), component.reader().boolean("invert", false));
}

void add_byte_level(Steps& steps, const PipelineComponent& component) {
  if (component.reader().boolean("add_prefix_space", true)) add<PrefixSpace>(steps, component);
  if (component.reader().boolean("use_regex", true)) {
    add<Split>(steps, component, TextPattern::regex(kGpt2Pattern, component.what()), SplitBehavior::kIsolated, false);
  }
  add<SpellBytes>(steps, component);
}

void add_metaspace(Steps& steps, const PipelineComponent& component) { add<Metaspace>(steps, component, component); }

void add_digits(Steps& steps, const PipelineComponent& component) {
  const bool alone = component.reader().boolean("individual_digits", false);
  add<SplitAtChars>(steps, component, is_in<unicode::kNumericChars>,
                    alone ? SplitBehavior::kIsolated : SplitBehavior::kContiguous);
}

void add_punctuation(Steps& steps, const PipelineComponent& component) {
  add<SplitAtChars>(steps, component, is_in<unicode::kPunctuationChars>, split_behavior(component, "Isolated"));
}

void add_delimiter(Steps& steps, const PipelineComponent& component) {
  const std::string delimiter = component.reader().string("delimiter");
  if (!is_valid_utf8(delimiter) || count_chars(delimiter) != 1) component.reader().fail("delimiter", "one character");
  size_t zero = 0;
  add<CharDelimiterSplit>(steps, component, next_char(delimiter, zero));
}

void add_fixed_length(Steps& steps, const PipelineComponent& component) {
  const int64_t length = component.reader().integer("length", 5);
  if (length < 1) component.reader().fail("length", "a number of characters, at least 1");
  add<FixedLength>(steps, component, length);
}

void add_space_split(Steps& steps, const PipelineComponent& component) {
  add<SplitAtChars>(steps, component, unicode::is_whitespace, SplitBehavior::kRemoved);
}

template <typename Step>
void add_plain(Steps& steps, const PipelineComponent& component) {
  add<Step>(steps, component);
}

void add_component(Steps& steps, const PipelineComponent& component) {
  using Adder = void (*)(Steps&, const PipelineComponent&);
  static const std::map<std::string, Adder> kAdders = {
      {"Sequence", add_sequence},
      {"Split", add_split},
      {"ByteLevel", add_byte_level},
      {"Metaspace", add_metaspace},
      {"Digits", add_digits},
      {"Punctuation", add_punctuation},
      {"BertPreTokenizer", add_plain<BertWords>},
      {"CharDelimiterSplit", add_delimiter},
      {"FixedLength", add_fixed_length},
      {"UnicodeScripts", add_plain<UnicodeScripts>},
      {"Whitespace", add_plain<Whitespace>},
      {"WhitespaceSplit", add_space_split},
  };
  component.pick(kAdders)(steps, component);
}

}  // namespace

Words Words::block(size_t first, size_t end) const {
  const uint32_t base = spans[first].begin, stop = spans[end - 1].end;
  Words part;
  part.text = text.substr(base, stop - base);
  part.start_size = std::min<size_t>(start_size > base ? start_size - base : 0, part.text.size());
  if (!origins.empty()) part.origins.assign(origins.begin() + base, origins.begin() + stop);
  for (size_t i = first; i < end; ++i) part.spans.push_back({spans[i].begin - base, spans[i].end - base});
  return part;
}

void PreTokenizer::run(size_t step, Words words, TextBudget& budget, const Sink& sink) const {
  constexpr size_t kBlockWords = 1 << 14;
  for (; step < steps_.size(); ++step) {
    if (words.spans.size() > kBlockWords) {
      for (size_t first = 0; first < words.spans.size(); first += kBlockWords) {
        run(step, words.block(first, std::min(first + kBlockWords, words.spans.size())), budget, sink);
      }
      return;
    }
    budget.enter(steps_[step]->place);
    steps_[step]->apply(words, budget);
  }
  sink(words);
}

PreTokenizer make_pre_tokenizer(const Json& json, const std::string& what) {
  Steps steps;
  if (!json.is_null()) add_component(steps, PipelineComponent(json, what));
  return PreTokenizer(std::move(steps));
}

}  // namespace gptq::tokenizer
