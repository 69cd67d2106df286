// Decomposition with utf8proc's tables, canonical ordering, and composition with an inverted table.
#include "unicode/normal_form.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <unordered_map>

#include "core/check.h"
#include "unicode/char_tables.h"
#include "unicode/characters.h"

namespace gptq::unicode {

namespace {

constexpr char32_t kSyllables = 0xAC00, kLeads = 0x1100, kVowels = 0x1161, kTails = 0x11A7;
constexpr char32_t kLeadCount = 19, kVowelCount = 21, kTailCount = 28;
constexpr char32_t kSyllableCount = kLeadCount * kVowelCount * kTailCount;

int combining_class(char32_t code) {
  if (code < 0x300) return 0;
  const int value = utf8proc_get_property(static_cast<utf8proc_int32_t>(code))->combining_class;
  return value != 0 && kDecomposingChars.has(code) ? value : 0;
}

// Appends the full decomposition; all characters but the first count as added.
void decompose(char32_t code, bool compatibility, std::vector<ChangedChar>& out) {
  if (code < 0xA0) {
    out.push_back({code, 0});
    return;
  }
  if (code - kSyllables < kSyllableCount) {
    const char32_t index = code - kSyllables;
    out.push_back({kLeads + index / (kVowelCount * kTailCount), 0});
    out.push_back({kVowels + index / kTailCount % kVowelCount, 1});
    if (index % kTailCount != 0) out.push_back({kTails + index % kTailCount, 1});
    return;
  }
  const utf8proc_property_t* property = utf8proc_get_property(static_cast<utf8proc_int32_t>(code));
  if (property->decomp_seqindex == UINT16_MAX) {
    out.push_back({code, 0});
    return;
  }
  constexpr utf8proc_ssize_t kMaxLength = 32;  // the longest compatibility decomposition has 18 characters
  utf8proc_int32_t parts[kMaxLength];
  int boundary = 0;
  const int options = UTF8PROC_DECOMPOSE | UTF8PROC_STABLE | (compatibility ? UTF8PROC_COMPAT : 0);
  const utf8proc_ssize_t count = utf8proc_decompose_char(static_cast<utf8proc_int32_t>(code), parts, kMaxLength,
                                                         static_cast<utf8proc_option_t>(options), &boundary);
  CHECK(count >= 0 && count <= kMaxLength);
  const bool itself = count == 1 && static_cast<char32_t>(parts[0]) == code;
  if (itself || !kDecomposingChars.has(code)) {
    out.push_back({code, 0});
    return;
  }
  for (utf8proc_ssize_t i = 0; i < count; ++i) out.push_back({static_cast<char32_t>(parts[i]), i == 0 ? 0 : 1});
}

// Canonical ordering: each run of marks sorted by combining class, stably.
void order_marks(std::vector<ChangedChar>& chars) {
  for (size_t begin = 0; begin < chars.size();) {
    if (combining_class(chars[begin].code) == 0) {
      ++begin;
      continue;
    }
    size_t end = begin;
    while (end < chars.size() && combining_class(chars[end].code) != 0) ++end;
    std::stable_sort(
        chars.begin() + static_cast<std::ptrdiff_t>(begin), chars.begin() + static_cast<std::ptrdiff_t>(end),
        [](const ChangedChar& a, const ChangedChar& b) { return combining_class(a.code) < combining_class(b.code); });
    begin = end;
  }
}

uint64_t pair_key(char32_t first, char32_t second) { return static_cast<uint64_t>(first) << 32 | second; }

// Primary composites: characters whose decomposition is a pair that normal form C composes again.
std::unordered_map<uint64_t, char32_t> composites() {
  std::unordered_map<uint64_t, char32_t> pairs;
  for (utf8proc_int32_t code = 0xC0; code <= 0x2FFFF; ++code) {
    const utf8proc_property_t* property = utf8proc_get_property(code);
    if (property->decomp_seqindex == UINT16_MAX || property->decomp_type != 0 || property->comp_exclusion) continue;
    if (!kDecomposingChars.has(static_cast<char32_t>(code))) continue;
    std::array<utf8proc_int32_t, 32> full, parts;
    int boundary = 0;
    const utf8proc_ssize_t count = utf8proc_decompose_char(code, full.data(), 32, UTF8PROC_DECOMPOSE, &boundary);
    const auto composes_to_one = [&](utf8proc_ssize_t size) {
      parts = full;
      constexpr auto kOptions = static_cast<utf8proc_option_t>(UTF8PROC_COMPOSE | UTF8PROC_STABLE);
      return size > 0 && utf8proc_normalize_utf32(parts.data(), size, kOptions) == 1;
    };
    // The pair is the last character of the full decomposition and the composition of the ones before it.
    if (count < 2 || !composes_to_one(count) || parts[0] != code || !composes_to_one(count - 1)) continue;
    pairs[pair_key(static_cast<char32_t>(parts[0]), static_cast<char32_t>(full[static_cast<size_t>(count - 1)]))] =
        static_cast<char32_t>(code);
  }
  return pairs;
}

// The composition of the two, or 0.
char32_t composed(char32_t first, char32_t second) {
  static const std::unordered_map<uint64_t, char32_t> kPairs = composites();
  if (second < 0x300 || (second > 0x30FF && second < 0x11000)) return 0;  // no pair ends with these
  if (first - kLeads < kLeadCount && second - kVowels < kVowelCount) {
    return kSyllables + ((first - kLeads) * kVowelCount + (second - kVowels)) * kTailCount;
  }
  const char32_t syllable = first - kSyllables;
  if (syllable < kSyllableCount && syllable % kTailCount == 0 && second > kTails && second < kTails + kTailCount) {
    return first + (second - kTails);
  }
  const auto found = kPairs.find(pair_key(first, second));
  return found == kPairs.end() ? 0 : found->second;
}

// Composes every starter with the following characters that are not blocked.
void compose(std::vector<ChangedChar>& chars) {
  constexpr size_t kNone = SIZE_MAX;
  size_t starter = kNone;  // in the output so far
  int last_class = -1;     // of the previous mark; -1 directly after the starter
  size_t written = 0;
  for (const ChangedChar here : chars) {
    const int its_class = combining_class(here.code);
    if (starter != kNone && (last_class < 0 || (last_class < its_class))) {
      if (const char32_t both = composed(chars[starter].code, here.code)) {
        chars[starter] = {both, chars[starter].change + here.change - 1};
        continue;
      }
    }
    if (its_class == 0) {
      starter = written;
      last_class = -1;
    } else {
      last_class = its_class;
    }
    chars[written++] = here;
  }
  chars.resize(written);
}

}  // namespace

std::vector<ChangedChar> normal_form_changes(std::string_view text, NormalForm form) {
  const bool compatibility = form == NormalForm::kNfkc || form == NormalForm::kNfkd;
  std::vector<ChangedChar> chars;
  chars.reserve(text.size());
  for (size_t position = 0; position < text.size();) decompose(next_char(text, position), compatibility, chars);
  order_marks(chars);
  if (form == NormalForm::kNfc || form == NormalForm::kNfkc) compose(chars);
  return chars;
}

std::string to_normal_form(std::string_view text, NormalForm form) {
  std::string out;
  out.reserve(text.size());
  for (const ChangedChar& c : normal_form_changes(text, form)) append_utf8(out, c.code);
  return out;
}

}  // namespace gptq::unicode
