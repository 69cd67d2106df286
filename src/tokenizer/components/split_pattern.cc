// Recursive descent over the pattern that writes PCRE2 syntax on the way; character classes become explicit sets.
#include "tokenizer/components/split_pattern.h"

#include <array>
#include <cctype>
#include <map>
#include <vector>

#include <gptq/error.h>

#include "core/ascii.h"
#include "unicode/characters.h"

namespace gptq::tokenizer {

namespace {

constexpr int kMaxDepth = 100;
constexpr const char* kSpaces =
    R"(\x{9}-\x{d}\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000})";
constexpr const char* kNotSpaces =
    R"(\x{0}-\x{8}\x{e}-\x{1f}\x{21}-\x{84}\x{86}-\x{9f}\x{a1}-\x{167f}\x{1681}-\x{1fff}\x{200b}-\x{2027})"
    R"(\x{202a}-\x{202e}\x{2030}-\x{205e}\x{2060}-\x{2fff}\x{3001}-\x{10ffff})";
constexpr const char* kWordClass = R"(\p{Alphabetic}\p{M}\p{Nd}\p{Pc})";
// Outside brackets \w and \b also take six Latin-1 digits and fractions for word characters.
constexpr const char* kBareWord = R"(\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\x{b2}\x{b3}\x{b9}\x{bc}-\x{be})";

// Long names of general categories, and POSIX-like names, in the spelling that look-up uses (lower case, bare).
const std::map<std::string, std::string>& property_names() {
  static const std::map<std::string, std::string> kNames = {{"letter", "L"},
                                                            {"uppercaseletter", "Lu"},
                                                            {"lowercaseletter", "Ll"},
                                                            {"titlecaseletter", "Lt"},
                                                            {"modifierletter", "Lm"},
                                                            {"otherletter", "Lo"},
                                                            {"mark", "M"},
                                                            {"nonspacingmark", "Mn"},
                                                            {"spacingmark", "Mc"},
                                                            {"enclosingmark", "Me"},
                                                            {"number", "N"},
                                                            {"decimalnumber", "Nd"},
                                                            {"letternumber", "Nl"},
                                                            {"othernumber", "No"},
                                                            {"punctuation", "P"},
                                                            {"punct", "P"},
                                                            {"connectorpunctuation", "Pc"},
                                                            {"dashpunctuation", "Pd"},
                                                            {"openpunctuation", "Ps"},
                                                            {"closepunctuation", "Pe"},
                                                            {"initialpunctuation", "Pi"},
                                                            {"finalpunctuation", "Pf"},
                                                            {"otherpunctuation", "Po"},
                                                            {"symbol", "S"},
                                                            {"mathsymbol", "Sm"},
                                                            {"currencysymbol", "Sc"},
                                                            {"modifiersymbol", "Sk"},
                                                            {"othersymbol", "So"},
                                                            {"separator", "Z"},
                                                            {"spaceseparator", "Zs"},
                                                            {"lineseparator", "Zl"},
                                                            {"paragraphseparator", "Zp"},
                                                            {"other", "C"},
                                                            {"control", "Cc"},
                                                            {"cntrl", "Cc"},
                                                            {"format", "Cf"},
                                                            {"surrogate", "Cs"},
                                                            {"privateuse", "Co"},
                                                            {"unassigned", "Cn"},
                                                            {"any", "Any"},
                                                            {"digit", "Nd"},
                                                            {"alpha", "Alphabetic"},
                                                            {"alphabetic", "Alphabetic"},
                                                            {"upper", "Uppercase"},
                                                            {"uppercase", "Uppercase"},
                                                            {"lower", "Lowercase"},
                                                            {"lowercase", "Lowercase"},
                                                            {"emoji", "Emoji"},
                                                            {"extendedpictographic", "Extended_Pictographic"},
                                                            {"ideographic", "Ideographic"}};
  return kNames;
}

// The alternatives for one character: members of a flat PCRE2 class, and sub-patterns that cannot be inside one.
struct CharSet {
  std::string members;              // contents of [...]
  std::vector<std::string> others;  // each matches exactly one character

  std::string pattern(bool negated) const {
    if (others.empty()) {
      if (members.empty()) return negated ? R"([\x{0}-\x{10ffff}])" : "(?!)";
      return (negated ? "[^" : "[") + members + "]";
    }
    std::string either = "(?:";
    for (const std::string& other : others) either += other + "|";
    either += members.empty() ? "(?!)" : "[" + members + "]";
    either += ")";
    return negated ? "(?:(?!" + either + R"()[\x{0}-\x{10ffff}]))" : either;
  }
};

class Translator {
 public:
  Translator(std::string_view pattern, const std::string& what) : pattern_(pattern), what_(what) {}

  std::string run() {
    if (!is_valid_utf8(pattern_)) fail("it is not valid UTF-8");
    alternatives(0);
    if (!at_end()) fail("an unmatched )");
    return std::move(out_);
  }

 private:
  [[noreturn]] void fail(const std::string& reason) const {
    throw Error(ErrorKind::kVerification, "translating the regular expression of " + what_ + ": found " + reason +
                                              " at byte " + std::to_string(position_) + " of \"" +
                                              std::string(pattern_) + "\", expected a construct that tokenizers use");
  }

  bool at_end() const { return position_ >= pattern_.size(); }
  char peek() const { return at_end() ? '\0' : pattern_[position_]; }
  bool starts(std::string_view text) const { return pattern_.substr(position_, text.size()) == text; }
  bool accept(std::string_view text) {
    if (!starts(text)) return false;
    position_ += text.size();
    return true;
  }
  char32_t take() {
    if (at_end()) fail("the end");
    return next_char(pattern_, position_);
  }

  static std::string escaped(char32_t code) {
    static constexpr char kDigits[] = "0123456789abcdef";
    std::string hex;
    do {
      hex.insert(hex.begin(), kDigits[code & 15]);
      code >>= 4;
    } while (code != 0);
    return "\\x{" + hex + "}";
  }

  void alternatives(int depth) {
    if (depth > kMaxDepth) fail("more than 100 nested groups");
    while (!at_end() && peek() != ')') {
      if (accept("|")) {
        out_ += "|";
        continue;
      }
      const size_t begin = out_.size();
      const bool atom = item(depth);
      if (atom) quantifiers(begin);
    }
  }

  // Writes one item; returns whether it may be quantified.
  bool item(int depth) {
    switch (peek()) {
      case '(': return group(depth);
      case '[': out_ += char_class(depth); return true;
      case '\\': ++position_; return escape();
      case '^':
      case '$':
        out_ += peek();
        ++position_;
        return false;
      case '.':
        out_ += '.';
        ++position_;
        return true;
      case '*':
      case '+':
      case '?': fail("a quantifier without a target");
      default: out_ += escaped(take()); return true;
    }
  }

  bool group(int depth) {
    const size_t begin = position_;
    ++position_;
    if (accept("?#")) {
      while (!at_end() && peek() != ')') ++position_;
      if (!accept(")")) fail("an unclosed comment");
      return false;
    }
    static constexpr std::array<std::string_view, 6> kOpenings = {"?:", "?=", "?!", "?>", "?<=", "?<!"};
    bool known = false;
    for (const std::string_view opening : kOpenings) {
      if (!known && accept(opening)) {
        out_ += "(" + std::string(opening);
        known = true;
      }
    }
    if (!known && accept("?")) {
      std::string flags;
      while (peek() == 'i' || peek() == 'm' || peek() == '-') {
        flags += peek() == 'm' ? 's' : peek();  // Ruby's m is the s of other dialects
        ++position_;
      }
      if (accept(")")) {  // the flags hold to the end of the enclosing group, across alternatives
        out_ += "(?" + flags + ":";
        alternatives(depth + 1);
        out_ += ")";
        return false;
      }
      if (!accept(":")) {
        position_ = begin;
        fail("a kind of group that is not supported");
      }
      out_ += "(?" + flags + ":";
      known = true;
    }
    if (!known) out_ += "(?:";  // captures are never read
    alternatives(depth + 1);
    if (!accept(")")) fail("an unclosed group");
    out_ += ")";
    return true;
  }

  // Quantifiers may be repeated; each but the first applies to everything before it.
  void quantifiers(size_t begin) {
    bool first = true;
    while (true) {
      std::string quantifier;
      bool braces = false;
      if (peek() == '*' || peek() == '+' || peek() == '?') {
        quantifier = peek();
        ++position_;
      } else if (peek() == '{' && interval(quantifier)) {
        braces = true;
      } else {
        return;
      }
      const bool exact = braces && quantifier.find(',') == std::string::npos;
      if (peek() == '?' && !exact) {  // X{n}? is an optional X{n}, handled as the next quantifier
        quantifier += '?';
        ++position_;
      } else if (peek() == '+' && !braces) {
        quantifier += '+';
        ++position_;
      }
      if (!first) {
        out_.insert(begin, "(?:");
        out_ += ")";
      }
      out_ += quantifier;
      first = false;
    }
  }

  // {n}, {n,}, {,m}, {n,m}; anything else is a literal brace.
  bool interval(std::string& quantifier) {
    size_t at = position_ + 1;
    const auto digits = [&] {
      std::string run;
      while (at < pattern_.size() && is_ascii_digit(pattern_[at])) run += pattern_[at++];
      return run;
    };
    const std::string low = digits();
    const bool comma = at < pattern_.size() && pattern_[at] == ',';
    if (comma) ++at;
    const std::string high = comma ? digits() : "";
    if (at >= pattern_.size() || pattern_[at] != '}' || (low.empty() && high.empty())) return false;
    if (low.size() > 5 || high.size() > 5) fail("a repetition count above 99999");
    if (!low.empty() && !high.empty() && std::stoi(low) > std::stoi(high)) fail("a repetition with its bounds swapped");
    position_ = at + 1;
    quantifier = "{" + (low.empty() ? "0" : low) + (comma ? "," + high : "") + "}";
    return true;
  }

  // After a backslash outside a class. Returns whether the result may be quantified.
  bool escape() {
    switch (peek()) {
      case 'A':
      case 'z':
      case 'Z':
      case 'G':
        out_ += std::string("\\") + peek();
        ++position_;
        return false;
      case 'b':
      case 'B': {
        const std::string word = std::string("[") + kBareWord + "]";
        out_ += peek() == 'b' ? "(?:(?<=" + word + ")(?!" + word + ")|(?<!" + word + ")(?=" + word + "))"
                              : "(?:(?<=" + word + ")(?=" + word + ")|(?<!" + word + ")(?!" + word + "))";
        ++position_;
        return false;
      }
      case 'w':
        out_ += std::string("[") + kBareWord + "]";
        ++position_;
        return true;
      case 'W':
        out_ += std::string("[^") + kBareWord + "]";
        ++position_;
        return true;
      case 'R':
        out_ += "(?>\\x{d}\\x{a}|[\\x{a}-\\x{d}\\x{85}\\x{2028}\\x{2029}])";
        ++position_;
        return true;
      default: break;
    }
    CharSet set;
    char32_t code = 0;
    if (class_escape(set, code))
      out_ += escaped(code);
    else
      out_ += set.pattern(false);
    return true;
  }

  // After a backslash, in or out of a class: true and a code for one character, false and members of a set.
  bool class_escape(CharSet& set, char32_t& code) {
    const char32_t letter = take();
    switch (letter) {
      case 's': set.members += kSpaces; return false;
      case 'S': set.members += kNotSpaces; return false;
      case 'd': set.members += "\\p{Nd}"; return false;
      case 'D': set.members += "\\P{Nd}"; return false;
      case 'h': set.members += "0-9a-fA-F"; return false;
      case 'H': set.others.push_back("[^0-9a-fA-F]"); return false;
      case 'w': set.members += kWordClass; return false;
      case 'W': set.others.push_back(std::string("[^") + kWordClass + "]"); return false;
      case 'p':
      case 'P': property(set, letter == 'P'); return false;
      case 't': code = 0x09; return true;
      case 'n': code = 0x0A; return true;
      case 'v': code = 0x0B; return true;
      case 'f': code = 0x0C; return true;
      case 'r': code = 0x0D; return true;
      case 'a': code = 0x07; return true;
      case 'e': code = 0x1B; return true;
      case 'x': code = accept("{") ? hex(1, 8, true) : hex(1, 2, false); return true;
      case 'u': code = hex(4, 4, false); return true;
      default: break;
    }
    if (letter < 0x80 && is_ascii_alnum(static_cast<char>(letter))) fail("an escape that is not supported");
    code = letter;
    return true;
  }

  char32_t hex(int min_digits, int max_digits, bool braces) {
    char32_t code = 0;
    int count = 0;
    while (count < max_digits && hex_digit(peek()) >= 0) {
      code = code * 16 + static_cast<char32_t>(hex_digit(peek()));
      ++position_;
      ++count;
    }
    if (count < min_digits || (braces && !accept("}"))) fail("a broken hexadecimal escape");
    if (code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) fail("an escape outside Unicode");
    if (max_digits == 2 && code > 0x7F) fail("a raw byte above \\x7F");
    return code;
  }

  void property(CharSet& set, bool negated) {
    if (!accept("{")) fail("\\p without {");
    if (accept("^")) negated = !negated;
    std::string name, bare;
    while (!at_end() && peek() != '}') {
      name += peek();
      if (peek() != ' ' && peek() != '_' && peek() != '-') {
        bare += ascii_lower(peek());
      }
      ++position_;
    }
    if (!accept("}") || bare.empty()) fail("an unclosed \\p{");
    for (const char c : bare) {
      if (!is_ascii_alnum(c)) fail("an unknown property name");
    }
    const std::string sign = negated ? "\\P{" : "\\p{";
    if (bare == "space" || bare == "whitespace") {
      set.members += negated ? kNotSpaces : kSpaces;
    } else if (bare == "word" || bare == "alnum") {
      const std::string alnum = bare == "word" ? kWordClass : R"(\p{Alphabetic}\p{Nd})";
      if (negated)
        set.others.push_back("[^" + alnum + "]");
      else
        set.members += alnum;
    } else if (const auto known = property_names().find(bare); known != property_names().end()) {
      set.members += sign + known->second + "}";
    } else if (bare.size() <= 2 && std::string_view("lmnpszc").find(bare[0]) != std::string_view::npos) {
      set.members += sign + static_cast<char>(std::toupper(static_cast<unsigned char>(bare[0]))) + bare.substr(1) + "}";
    } else {
      set.members += sign + "sc:" + name + "}";
    }
  }

  // From '[' to its ']': a pattern that matches one character.
  std::string char_class(int depth) {
    if (depth > kMaxDepth) fail("more than 100 nested groups");
    const size_t begin = position_;
    ++position_;
    const bool negated = accept("^");
    std::vector<std::string> parts;  // patterns of the sides of &&
    CharSet set;
    bool first = true;
    while (true) {
      if (at_end()) {
        position_ = begin;
        fail("an unclosed character class");
      }
      if (peek() == ']' && !first) break;
      first = false;
      if (accept("&&")) {
        parts.push_back(set.pattern(false));
        set = CharSet{};
      } else if (accept("[:")) {
        posix_class(set);
      } else if (peek() == '[') {
        set.others.push_back(char_class(depth + 1));
      } else {
        range(set);
      }
    }
    ++position_;
    if (parts.empty()) return set.pattern(negated);
    std::string both = set.pattern(false);
    for (const std::string& part : parts) both = "(?=" + part + ")" + both;
    return negated ? "(?:(?!" + both + R"()[\x{0}-\x{10ffff}]))" : "(?:" + both + ")";
  }

  void posix_class(CharSet& set) {
    const bool negated = accept("^");
    std::string name;
    while (std::isalpha(static_cast<unsigned char>(peek()))) name += static_cast<char>(take());
    if (!accept(":]")) fail("a broken POSIX class");
    const std::string sign = negated ? "\\P{" : "\\p{";
    if (name == "space")
      set.members += negated ? kNotSpaces : kSpaces;
    else if (name == "digit")
      set.members += sign + "Nd}";
    else if (name == "alpha")
      set.members += sign + "Alphabetic}";
    else if (name == "upper")
      set.members += sign + "Uppercase}";
    else if (name == "lower")
      set.members += sign + "Lowercase}";
    else if (name == "cntrl")
      set.members += sign + "Cc}";
    else if (name == "punct")
      set.others.push_back(std::string(negated ? "[^" : "[") + R"(\p{P}])");
    else if (name == "alnum")
      set.others.push_back(std::string(negated ? "[^" : "[") + R"(\p{Alphabetic}\p{Nd}])");
    else if (name == "word")
      set.others.push_back(std::string(negated ? "[^" : "[") + kWordClass + "]");
    else
      fail("the unknown POSIX class [:" + name + ":]");
  }

  // One character or a range like a-z, with escapes at either end.
  void range(CharSet& set) {
    char32_t low = 0;
    if (accept("\\")) {
      if (!class_escape(set, low)) return;
    } else {
      low = take();
    }
    const bool dash = peek() == '-' && position_ + 1 < pattern_.size() && pattern_[position_ + 1] != ']';
    if (!dash) {
      set.members += escaped(low);
      return;
    }
    const size_t before = position_;
    ++position_;
    char32_t high = 0;
    CharSet other;
    if (peek() == '[' || (accept("\\") ? !class_escape(other, high) : (high = take(), false))) {
      position_ = before;  // "a-\s": the dash is a literal
      set.members += escaped(low) + escaped('-');
      ++position_;
      return;
    }
    if (high < low) fail("a range whose end comes before its begin");
    set.members += escaped(low) + "-" + escaped(high);
  }

  std::string_view pattern_;
  const std::string& what_;
  size_t position_ = 0;
  std::string out_;
};

}  // namespace

std::string translate_pattern(const std::string& pattern, const std::string& what) {
  return Translator(pattern, what).run();
}

}  // namespace gptq::tokenizer
