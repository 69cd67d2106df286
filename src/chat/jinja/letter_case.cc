// Case conversion with utf8proc, and tables of what it lacks (made from Python 3.11's own functions, Unicode 14).
#include "chat/jinja/letter_case.h"

#include <utf8proc.h>
#include <algorithm>
#include <array>
#include <iterator>

#include "chat/jinja/operations.h"
#include "chat/jinja/text_functions.h"
#include "unicode/characters.h"

namespace gptq::chat {

namespace {

// Letters whose upper case is several characters; an empty title case means that it is a single one, as in utf8proc.
struct LongCase {
  char32_t code;
  const char* upper;
  const char* title;
};
constexpr LongCase kLongCases[] = {
    {0x00DF, "SS", "Ss"},
    {0x0149, "\u02BCN", "\u02BCN"},
    {0x01F0, "J\u030C", "J\u030C"},
    {0x0390, "\u0399\u0308\u0301", "\u0399\u0308\u0301"},
    {0x03B0, "\u03A5\u0308\u0301", "\u03A5\u0308\u0301"},
    {0x0587, "\u0535\u0552", "\u0535\u0582"},
    {0x1E96, "H\u0331", "H\u0331"},
    {0x1E97, "T\u0308", "T\u0308"},
    {0x1E98, "W\u030A", "W\u030A"},
    {0x1E99, "Y\u030A", "Y\u030A"},
    {0x1E9A, "A\u02BE", "A\u02BE"},
    {0x1F50, "\u03A5\u0313", "\u03A5\u0313"},
    {0x1F52, "\u03A5\u0313\u0300", "\u03A5\u0313\u0300"},
    {0x1F54, "\u03A5\u0313\u0301", "\u03A5\u0313\u0301"},
    {0x1F56, "\u03A5\u0313\u0342", "\u03A5\u0313\u0342"},
    {0x1F80, "\u1F08\u0399", ""},
    {0x1F81, "\u1F09\u0399", ""},
    {0x1F82, "\u1F0A\u0399", ""},
    {0x1F83, "\u1F0B\u0399", ""},
    {0x1F84, "\u1F0C\u0399", ""},
    {0x1F85, "\u1F0D\u0399", ""},
    {0x1F86, "\u1F0E\u0399", ""},
    {0x1F87, "\u1F0F\u0399", ""},
    {0x1F88, "\u1F08\u0399", ""},
    {0x1F89, "\u1F09\u0399", ""},
    {0x1F8A, "\u1F0A\u0399", ""},
    {0x1F8B, "\u1F0B\u0399", ""},
    {0x1F8C, "\u1F0C\u0399", ""},
    {0x1F8D, "\u1F0D\u0399", ""},
    {0x1F8E, "\u1F0E\u0399", ""},
    {0x1F8F, "\u1F0F\u0399", ""},
    {0x1F90, "\u1F28\u0399", ""},
    {0x1F91, "\u1F29\u0399", ""},
    {0x1F92, "\u1F2A\u0399", ""},
    {0x1F93, "\u1F2B\u0399", ""},
    {0x1F94, "\u1F2C\u0399", ""},
    {0x1F95, "\u1F2D\u0399", ""},
    {0x1F96, "\u1F2E\u0399", ""},
    {0x1F97, "\u1F2F\u0399", ""},
    {0x1F98, "\u1F28\u0399", ""},
    {0x1F99, "\u1F29\u0399", ""},
    {0x1F9A, "\u1F2A\u0399", ""},
    {0x1F9B, "\u1F2B\u0399", ""},
    {0x1F9C, "\u1F2C\u0399", ""},
    {0x1F9D, "\u1F2D\u0399", ""},
    {0x1F9E, "\u1F2E\u0399", ""},
    {0x1F9F, "\u1F2F\u0399", ""},
    {0x1FA0, "\u1F68\u0399", ""},
    {0x1FA1, "\u1F69\u0399", ""},
    {0x1FA2, "\u1F6A\u0399", ""},
    {0x1FA3, "\u1F6B\u0399", ""},
    {0x1FA4, "\u1F6C\u0399", ""},
    {0x1FA5, "\u1F6D\u0399", ""},
    {0x1FA6, "\u1F6E\u0399", ""},
    {0x1FA7, "\u1F6F\u0399", ""},
    {0x1FA8, "\u1F68\u0399", ""},
    {0x1FA9, "\u1F69\u0399", ""},
    {0x1FAA, "\u1F6A\u0399", ""},
    {0x1FAB, "\u1F6B\u0399", ""},
    {0x1FAC, "\u1F6C\u0399", ""},
    {0x1FAD, "\u1F6D\u0399", ""},
    {0x1FAE, "\u1F6E\u0399", ""},
    {0x1FAF, "\u1F6F\u0399", ""},
    {0x1FB2, "\u1FBA\u0399", "\u1FBA\u0345"},
    {0x1FB3, "\u0391\u0399", ""},
    {0x1FB4, "\u0386\u0399", "\u0386\u0345"},
    {0x1FB6, "\u0391\u0342", "\u0391\u0342"},
    {0x1FB7, "\u0391\u0342\u0399", "\u0391\u0342\u0345"},
    {0x1FBC, "\u0391\u0399", ""},
    {0x1FC2, "\u1FCA\u0399", "\u1FCA\u0345"},
    {0x1FC3, "\u0397\u0399", ""},
    {0x1FC4, "\u0389\u0399", "\u0389\u0345"},
    {0x1FC6, "\u0397\u0342", "\u0397\u0342"},
    {0x1FC7, "\u0397\u0342\u0399", "\u0397\u0342\u0345"},
    {0x1FCC, "\u0397\u0399", ""},
    {0x1FD2, "\u0399\u0308\u0300", "\u0399\u0308\u0300"},
    {0x1FD3, "\u0399\u0308\u0301", "\u0399\u0308\u0301"},
    {0x1FD6, "\u0399\u0342", "\u0399\u0342"},
    {0x1FD7, "\u0399\u0308\u0342", "\u0399\u0308\u0342"},
    {0x1FE2, "\u03A5\u0308\u0300", "\u03A5\u0308\u0300"},
    {0x1FE3, "\u03A5\u0308\u0301", "\u03A5\u0308\u0301"},
    {0x1FE4, "\u03A1\u0313", "\u03A1\u0313"},
    {0x1FE6, "\u03A5\u0342", "\u03A5\u0342"},
    {0x1FE7, "\u03A5\u0308\u0342", "\u03A5\u0308\u0342"},
    {0x1FF2, "\u1FFA\u0399", "\u1FFA\u0345"},
    {0x1FF3, "\u03A9\u0399", ""},
    {0x1FF4, "\u038F\u0399", "\u038F\u0345"},
    {0x1FF6, "\u03A9\u0342", "\u03A9\u0342"},
    {0x1FF7, "\u03A9\u0342\u0399", "\u03A9\u0342\u0345"},
    {0x1FFC, "\u03A9\u0399", ""},
    {0xFB00, "FF", "Ff"},
    {0xFB01, "FI", "Fi"},
    {0xFB02, "FL", "Fl"},
    {0xFB03, "FFI", "Ffi"},
    {0xFB04, "FFL", "Ffl"},
    {0xFB05, "ST", "St"},
    {0xFB06, "ST", "St"},
    {0xFB13, "\u0544\u0546", "\u0544\u0576"},
    {0xFB14, "\u0544\u0535", "\u0544\u0565"},
    {0xFB15, "\u0544\u053B", "\u0544\u056B"},
    {0xFB16, "\u054E\u0546", "\u054E\u0576"},
    {0xFB17, "\u0544\u053D", "\u0544\u056D"},
};

struct CodeRange {
  char32_t first, last;
};
// Digits that are not decimal digits, such as superscripts.
constexpr CodeRange kDigits[] = {
    {0xB2, 0xB3},     {0xB9, 0xB9},       {0x1369, 0x1371},   {0x19DA, 0x19DA},   {0x2070, 0x2070},
    {0x2074, 0x2079}, {0x2080, 0x2089},   {0x2460, 0x2468},   {0x2474, 0x247C},   {0x2488, 0x2490},
    {0x24EA, 0x24EA}, {0x24F5, 0x24FD},   {0x24FF, 0x24FF},   {0x2776, 0x277E},   {0x2780, 0x2788},
    {0x278A, 0x2792}, {0x10A40, 0x10A43}, {0x10E60, 0x10E68}, {0x11052, 0x1105A}, {0x1F100, 0x1F10A},
};
// Ideographs that are numbers.
constexpr CodeRange kNumbers[] = {
    {0x3405, 0x3405},   {0x3483, 0x3483},   {0x382A, 0x382A},   {0x3B4D, 0x3B4D},   {0x4E00, 0x4E00},
    {0x4E03, 0x4E03},   {0x4E07, 0x4E07},   {0x4E09, 0x4E09},   {0x4E5D, 0x4E5D},   {0x4E8C, 0x4E8C},
    {0x4E94, 0x4E94},   {0x4E96, 0x4E96},   {0x4EBF, 0x4EC0},   {0x4EDF, 0x4EDF},   {0x4EE8, 0x4EE8},
    {0x4F0D, 0x4F0D},   {0x4F70, 0x4F70},   {0x5104, 0x5104},   {0x5146, 0x5146},   {0x5169, 0x5169},
    {0x516B, 0x516B},   {0x516D, 0x516D},   {0x5341, 0x5341},   {0x5343, 0x5345},   {0x534C, 0x534C},
    {0x53C1, 0x53C4},   {0x56DB, 0x56DB},   {0x58F1, 0x58F1},   {0x58F9, 0x58F9},   {0x5E7A, 0x5E7A},
    {0x5EFE, 0x5EFF},   {0x5F0C, 0x5F0E},   {0x5F10, 0x5F10},   {0x62FE, 0x62FE},   {0x634C, 0x634C},
    {0x67D2, 0x67D2},   {0x6F06, 0x6F06},   {0x7396, 0x7396},   {0x767E, 0x767E},   {0x8086, 0x8086},
    {0x842C, 0x842C},   {0x8CAE, 0x8CAE},   {0x8CB3, 0x8CB3},   {0x8D30, 0x8D30},   {0x9621, 0x9621},
    {0x9646, 0x9646},   {0x964C, 0x964C},   {0x9678, 0x9678},   {0x96F6, 0x96F6},   {0xF96B, 0xF96B},
    {0xF973, 0xF973},   {0xF978, 0xF978},   {0xF9B2, 0xF9B2},   {0xF9D1, 0xF9D1},   {0xF9D3, 0xF9D3},
    {0xF9FD, 0xF9FD},   {0x20001, 0x20001}, {0x20064, 0x20064}, {0x200E2, 0x200E2}, {0x20121, 0x20121},
    {0x2092A, 0x2092A}, {0x20983, 0x20983}, {0x2098C, 0x2098C}, {0x2099C, 0x2099C}, {0x20AEA, 0x20AEA},
    {0x20AFD, 0x20AFD}, {0x20B19, 0x20B19}, {0x22390, 0x22390}, {0x22998, 0x22998}, {0x23B1B, 0x23B1B},
    {0x2626D, 0x2626D}, {0x2F890, 0x2F890},
};

template <size_t kSize>
bool is_in(const CodeRange (&ranges)[kSize], char32_t code) {
  const auto* found = std::partition_point(std::begin(ranges), std::end(ranges),
                                           [&](const CodeRange& range) { return range.last < code; });
  return found != std::end(ranges) && found->first <= code;
}

const LongCase* long_case(char32_t code) {
  const auto* found = std::partition_point(std::begin(kLongCases), std::end(kLongCases),
                                           [&](const LongCase& row) { return row.code < code; });
  return found != std::end(kLongCases) && found->code == code ? found : nullptr;
}

utf8proc_category_t category(char32_t code) { return utf8proc_category(static_cast<utf8proc_int32_t>(code)); }

void append_upper(std::string& out, char32_t code) {
  if (code < 0x80) {
    out += static_cast<char>(code >= 'a' && code <= 'z' ? code - 32 : code);
  } else if (const LongCase* row = long_case(code)) {
    out += row->upper;
  } else {
    append_utf8(out, unicode::to_upper(code));
  }
}

void append_title(std::string& out, char32_t code) {
  const LongCase* row = long_case(code);
  if (row != nullptr && *row->title != '\0')
    out += row->title;
  else
    append_utf8(out, static_cast<char32_t>(utf8proc_totitle(static_cast<utf8proc_int32_t>(code))));
}

// Characters inside a word that do not end it, for the final sigma.
bool is_case_ignorable(char32_t code) {
  static constexpr std::array<char32_t, 17> kInsideWords = {0x27,   0x2E,   0x3A,   0xB7,   0x387,  0x55F,
                                                            0x5F4,  0x2018, 0x2019, 0x2024, 0x2027, 0xFE13,
                                                            0xFE52, 0xFE55, 0xFF07, 0xFF0E, 0xFF1A};
  switch (category(code)) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_SK: return true;
    default: return std::find(kInsideWords.begin(), kInsideWords.end(), code) != kInsideWords.end();
  }
}

// A capital sigma at [begin, end) is final when a letter precedes it and none follows.
bool is_final_sigma(const std::string& text, size_t begin, size_t end) {
  bool after_letter = false;
  while (begin > 0) {
    const char32_t code = unicode::char_before(text, begin);
    begin -= utf8(code).size();
    if (is_case_ignorable(code)) continue;
    after_letter = is_cased(code);
    break;
  }
  if (!after_letter) return false;
  while (end < text.size()) {
    const char32_t code = next_char(text, end);
    if (!is_case_ignorable(code)) return !is_cased(code);
  }
  return true;
}

// Rewrites every character; `spell(code, out, begin, end)` appends its new form.
template <typename Spell>
MarkedText each_char(Runtime& runtime, const MarkedText& text, const Spell& spell) {
  runtime.limits.work(text.text.size());
  MarkedText out;
  std::string content;
  for (size_t position = 0; position < text.text.size();) {
    const size_t begin = position;
    content.clear();
    const char32_t code = next_char(text.text, position);
    spell(code, content, begin, position);
    runtime.append(out, content, text.marks.empty() ? '\0' : text.marks[begin]);
  }
  return out;
}

class Lowercase {
 public:
  Lowercase(Runtime& runtime, const std::string& text) : runtime_(runtime), text_(text) {}
  void operator()(std::string& out, char32_t code, size_t begin, size_t end) const {
    if (code < 0x80) {
      out += static_cast<char>(code >= 'A' && code <= 'Z' ? code + 32 : code);
    } else if (code == 0x3A3) {
      runtime_.limits.step();
      append_utf8(out, is_final_sigma(text_, begin, end) ? 0x3C2 : 0x3C3);
    } else {
      unicode::append_lowercase(out, code);
    }
  }

 private:
  Runtime& runtime_;
  const std::string& text_;
};

}  // namespace

bool is_titlecase(char32_t code) { return code >= 0x80 && category(code) == UTF8PROC_CATEGORY_LT; }
bool is_cased(char32_t code) {
  return unicode::is_uppercase(code) || unicode::is_lowercase(code) || is_titlecase(code);
}
bool is_decimal(char32_t code) { return category(code) == UTF8PROC_CATEGORY_ND; }
bool is_digit_char(char32_t code) { return is_decimal(code) || is_in(kDigits, code); }
bool is_numeric_char(char32_t code) { return unicode::is_numeric(code) || is_in(kNumbers, code); }

MarkedText upper(Runtime& runtime, const MarkedText& text) {
  return each_char(runtime, text, [](char32_t code, std::string& out, size_t, size_t) { append_upper(out, code); });
}

MarkedText lower(Runtime& runtime, const MarkedText& text) {
  const Lowercase append_lower(runtime, text.text);
  return each_char(runtime, text, [&](char32_t code, std::string& out, size_t begin, size_t end) {
    append_lower(out, code, begin, end);
  });
}

MarkedText casefolded(Runtime& runtime, const MarkedText& text) {
  return each_char(runtime, text, [](char32_t code, std::string& out, size_t, size_t) {
    std::array<utf8proc_int32_t, 8> parts;
    int boundary = 0;
    const utf8proc_ssize_t count = utf8proc_decompose_char(static_cast<utf8proc_int32_t>(code), parts.data(),
                                                           parts.size(), UTF8PROC_CASEFOLD, &boundary);
    for (utf8proc_ssize_t i = 0; i < count; ++i) append_utf8(out, static_cast<char32_t>(parts[static_cast<size_t>(i)]));
  });
}

MarkedText capitalized(Runtime& runtime, const MarkedText& text) {
  const Lowercase append_lower(runtime, text.text);
  return each_char(runtime, text, [&](char32_t code, std::string& out, size_t begin, size_t end) {
    if (begin == 0)
      append_title(out, code);
    else
      append_lower(out, code, begin, end);
  });
}

MarkedText swapped_case(Runtime& runtime, const MarkedText& text) {
  const Lowercase append_lower(runtime, text.text);
  return each_char(runtime, text, [&](char32_t code, std::string& out, size_t begin, size_t end) {
    if (unicode::is_uppercase(code))
      append_lower(out, code, begin, end);
    else if (unicode::is_lowercase(code))
      append_upper(out, code);
    else
      append_utf8(out, code);
  });
}

MarkedText python_title(Runtime& runtime, const MarkedText& text) {
  const Lowercase append_lower(runtime, text.text);
  bool inside = false;
  return each_char(runtime, text, [&](char32_t code, std::string& out, size_t begin, size_t end) {
    if (inside)
      append_lower(out, code, begin, end);
    else
      append_title(out, code);
    inside = is_cased(code);
  });
}

// Jinja splits the text at those characters and lowers each piece separately, so the context of a sigma is its piece.
MarkedText jinja_title(Runtime& runtime, const MarkedText& text) {
  const auto ends_word = [](char32_t code) {
    return is_python_space(code) || code == '-' || code == '(' || code == '{' || code == '[' || code == '<';
  };
  MarkedText out;
  for (size_t position = 0; position < text.text.size();) {
    const size_t begin = position;
    size_t after_first = position;
    const bool separator = ends_word(next_char(text.text, after_first));
    position = after_first;
    while (position < text.text.size()) {
      size_t after = position;
      if (ends_word(next_char(text.text, after)) != separator) break;
      position = after;
    }
    runtime.append(out, upper(runtime, substring(text, begin, after_first)));
    runtime.append(out, lower(runtime, substring(text, after_first, position)));
  }
  return out;
}

bool is_case_of(const std::string& text, bool want_upper) {
  bool any = false;
  for (size_t position = 0; position < text.size();) {
    const char32_t code = next_char(text, position);
    if (is_titlecase(code) || (want_upper ? unicode::is_lowercase(code) : unicode::is_uppercase(code))) return false;
    any |= want_upper ? unicode::is_uppercase(code) : unicode::is_lowercase(code);
  }
  return any;
}

bool is_title_of(const std::string& text) {
  bool any = false, inside = false;
  for (size_t position = 0; position < text.size();) {
    const char32_t code = next_char(text, position);
    if (unicode::is_uppercase(code) || is_titlecase(code)) {
      if (inside) return false;
      inside = any = true;
    } else if (unicode::is_lowercase(code)) {
      if (!inside) return false;
      inside = any = true;
    } else {
      inside = false;
    }
  }
  return any;
}

}  // namespace gptq::chat
