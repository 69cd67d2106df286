// The translated patterns against Oniguruma itself, on random strings of hard characters and on every code point.
#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <string>
#include <vector>

#include "tokenizer/components/text_pattern.h"
#include "unicode/characters.h"

// Oniguruma's header names two types like those of the C library's regex.h, which GoogleTest includes.
#define ONIG_ESCAPE_REGEX_T_COLLISION
#define re_registers oniguruma_registers
#include <oniguruma.h>

namespace gptq::tokenizer {
namespace {

class Oniguruma {
 public:
  explicit Oniguruma(const std::string& pattern) {
    OnigEncoding encodings[] = {ONIG_ENCODING_UTF8};
    onig_initialize(encodings, 1);
    const auto* begin = reinterpret_cast<const OnigUChar*>(pattern.data());
    OnigErrorInfo error;
    const int status = onig_new(&regex_, begin, begin + pattern.size(), ONIG_OPTION_NONE, ONIG_ENCODING_UTF8,
                                ONIG_SYNTAX_DEFAULT, &error);
    if (status != ONIG_NORMAL) ADD_FAILURE() << "Oniguruma refuses " << pattern;
    region_ = onig_region_new();
  }
  ~Oniguruma() {
    onig_region_free(region_, 1);
    onig_free(regex_);
  }

  // Like TextPattern::cut, with matches only.
  std::vector<std::pair<size_t, size_t>> matches(const std::string& text) {
    std::vector<std::pair<size_t, size_t>> found;
    const auto* begin = reinterpret_cast<const OnigUChar*>(text.data());
    size_t from = 0;
    while (from <= text.size()) {
      const int at =
          onig_search(regex_, begin, begin + text.size(), begin + from, begin + text.size(), region_, ONIG_OPTION_NONE);
      if (at < 0) break;
      const std::pair<size_t, size_t> range(region_->beg[0], region_->end[0]);
      if (range.first == range.second && !found.empty() && found.back().second == range.second) {
        if (from >= text.size()) break;
        next_char(text, from);
        continue;
      }
      found.push_back(range);
      from = range.second;
    }
    return found;
  }

 private:
  OnigRegexType* regex_ = nullptr;
  OnigRegion* region_ = nullptr;
};

std::vector<std::pair<size_t, size_t>> ours(const TextPattern& pattern, const std::string& text) {
  std::vector<std::pair<size_t, size_t>> found;
  pattern.cut(text, [&](const Segment& segment) {
    if (segment.match) found.emplace_back(segment.begin, segment.end);
  });
  return found;
}

// Patterns of published tokenizers, and some that use what the translator rewrites.
const std::vector<std::string>& patterns() {
  static const std::vector<std::string> kPatterns = {
      R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)",
      R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
      R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
      R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
      R"(\s+$)",
      R"(^\s+|[a-z]+$)",
      R"(\s?[!-/:-~！-／：-～‘-‟　-。]+)",
      R"([一-龥぀-ゟ゠-ヿ]+)",
      R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
      R"(\p{Han}+|\p{Hiragana}+|\p{Katakana}+|\p{Latin}+|\p{Greek})",
      R"(\w+|[^\w\s]+)",
      R"(\b\p{L}{2,3}+\b)",
      R"(\B.|[\w\s]+|[^\w]\W)",
      R"([\p{L}&&[^a-mé]]+|[[a-c][0-9]]+)",
      R"([^\p{L}&&[^\s]]+)",
      R"(\d{2}?x|a{1,2}+b|(?:ab){2}?)",
      R"((?i)stra|É|ǆ)",
      R"([[:alpha:]]+|[[:^space:]]|[[:digit:]]{,2})",
      R"((?<=a)b+|(?<!\s)\S|(?>x+)y)",
      R"(.+?(?=\n)|\R|\h\H)",
  };
  return kPatterns;
}

const std::vector<std::string>& pieces() {
  static const std::vector<std::string> kPieces = {
      "a",      "b",      "x",      "y",    "Z",      "é",       "É",    "ß",        "ſ",      "s",      "S",
      "'",      "ll",     "'LL",    "'ſ",   "re",     "1",       "23",   "٣",        "²",      "½",      "Ⅷ",
      " ",      "  ",     "\t",     "\n",   "\r",     "\r\n",    "\n\n", "\u00a0",   "\u3000", "\u2028", "\u0085",
      "\u180e", "\u200b", "\u200d", "中",   "文",     "あ",      "ー",   "カ",       "한",     "\u0301", "\u0903",
      "ǅ",      "ǆ",      "Ǆ",      "ʰ",    "!",      "?",       "-",    "_",        "$",      "€",      "…",
      "」",     "/",      "\\",     "[",    "]",      "<",       "😀",    "👩\u200d👧", "ﬁ",      "İ",      "K",
      "Ω",      "ﬀ",      "ab",     "abab", "straße", "STRASSE", "\x01", "\x7f",     "\ufeff"};
  return kPieces;
}

TEST(SplitPatternOniguruma, RandomStringsMatchAlike) {
  std::mt19937 random(7);
  for (const std::string& source : patterns()) {
    const TextPattern pattern = TextPattern::regex(source, "test");
    Oniguruma reference(source);
    int differences = 0;
    for (int round = 0; round < 3000 && differences < 3; ++round) {
      std::string text;
      for (unsigned i = random() % 16; i > 0; --i) text += pieces()[random() % pieces().size()];
      const auto expected = reference.matches(text);
      const auto found = ours(pattern, text);
      EXPECT_EQ(found, expected) << source << "\n" << text;
      differences += found != expected ? 1 : 0;
    }
  }
}

TEST(SplitPatternOniguruma, ClassesHoldTheSameCodePoints) {
  for (const std::string source :
       {R"(\s)",        R"(\S)",        R"(\d)",        R"(\w)",          R"(\W)",
        R"([\w])",      R"([^\w])",     R"([\W])",      R"(\p{Word})",    R"(\p{L})",
        R"(\p{M})",     R"(\p{N})",     R"(\p{P})",     R"(\p{S})",       R"(\p{Lu})",
        R"(\p{Ll})",    R"(\p{Lt})",    R"(\p{Lm})",    R"(\p{Lo})",      R"(\p{Han})",
        R"(\p{Alpha})", R"(\p{Upper})", R"(\p{Alnum})", R"([[:punct:]])", R"([^\s\p{L}\p{N}])",
        R"(\h)"}) {
    const TextPattern pattern = TextPattern::regex(source, "test");
    Oniguruma reference(source);
    int differences = 0;
    for (char32_t code = 0; code <= 0x10FFFF; ++code) {
      if (code >= 0xD800 && code <= 0xDFFF) continue;
      const std::string text = utf8(code);
      if (ours(pattern, text) != reference.matches(text)) ++differences;
    }
    EXPECT_EQ(differences, 0) << source;
  }
}

}  // namespace
}  // namespace gptq::tokenizer
