// Character classes of the reference tokenizers, whose libraries use several versions of Unicode, none
// of them utf8proc's.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>

namespace gptq::unicode {

struct CharRange {
  char32_t first, last;
};

// The range that contains the character, or nullptr.
template <typename Range>
const Range* range_of(std::span<const Range> ranges, char32_t code) {
  const auto range =
      std::upper_bound(ranges.begin(), ranges.end(), code, [](char32_t c, const Range& r) { return c <= r.last; });
  return range != ranges.end() && code >= range->first ? &*range : nullptr;
}

// A set of characters over ascending ranges.
class CharClass {
 public:
  explicit CharClass(std::span<const CharRange> ranges) : ranges_(ranges) {
    for (char32_t code = 0; code < ascii_.size(); ++code) ascii_[code] = find(code);
  }
  bool has(char32_t code) const { return code < ascii_.size() ? ascii_[code] : find(code); }

 private:
  bool find(char32_t code) const { return range_of(ranges_, code) != nullptr; }

  std::span<const CharRange> ranges_;
  std::array<bool, 0x80> ascii_;
};

extern const CharClass kPunctuationChars;  // Punctuation, BertPreTokenizer
extern const CharClass kNumericChars;      // Digits
extern const CharClass kWordChars;         // \w of Whitespace and of single_word
extern const CharClass kMarkChars;         // what StripAccents drops
extern const CharClass kBertMarkChars;     // what BertNormalizer drops after decomposing
extern const CharClass kBertControlChars;  // what its clean_text drops
extern const CharClass kDecomposingChars;  // characters that normal forms change, without Hangul syllables

struct LowercaseRange {
  char32_t first, last;
  int distance;  // from a character to its lower case
};
extern const std::span<const LowercaseRange> kLowercaseRanges;

struct ScriptRange {
  char32_t first, last;
  int script;  // an arbitrary number per script; characters outside all ranges match every script
};
extern const std::span<const ScriptRange> kScriptRanges;

}  // namespace gptq::unicode
