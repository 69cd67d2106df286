// The lexer: text between tags with its white space trimmed, and names, numbers, strings and operators inside them.
#include "chat/jinja/lexer.h"

#include <algorithm>
#include <array>

#include "chat/jinja/text_functions.h"
#include "core/ascii.h"
#include "unicode/characters.h"

namespace gptq::chat {

namespace {

bool is_name_start(char32_t code) {
  return code == '_' || (unicode::is_word(code) && !(code < 0x80 && is_ascii_digit(static_cast<char>(code))));
}

std::string normalized_newlines(const std::string& source) {
  std::string out;
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r') {
      out += '\n';
      if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
    } else {
      out += source[i];
    }
  }
  if (out.ends_with('\n')) out.pop_back();
  return out;
}

class Lexer {
 public:
  explicit Lexer(const std::string& source) : source_(normalized_newlines(source)) {}

  std::vector<Token> run() {
    while (position_ < source_.size()) text_and_tag();
    put(TokenKind::kEnd, "");
    return std::move(tokens_);
  }

 private:
  [[noreturn]] void fail(const std::string& reason) const { throw TemplateError{place_, reason}; }

  void put(TokenKind kind, std::string text) { tokens_.push_back({kind, std::move(text), place_}); }
  char at(size_t position) const { return position < source_.size() ? source_[position] : '\0'; }
  bool starts(std::string_view text) const { return source_.compare(position_, text.size(), text) == 0; }

  void advance_to(size_t position) {
    if (position <= position_) return;
    for (size_t i = position_; i < position; ++i) {
      if (source_[i] == '\n') {
        ++place_.line;
        place_.column = 1;
      } else if ((static_cast<unsigned char>(source_[i]) & 0xC0) != 0x80) {
        ++place_.column;
      }
    }
    line_starts_ = source_[position - 1] == '\n';
    position_ = position;
  }

  // Where the white space that begins at `position` ends.
  size_t space_end(size_t position) const {
    while (position < source_.size()) {
      size_t after = position;
      if (!is_python_space(next_char(source_, after))) break;
      position = after;
    }
    return position;
  }

  size_t find_tag(size_t from) const {
    for (size_t i = from; i + 1 < source_.size(); ++i) {
      if (source_[i] == '{' && (source_[i + 1] == '{' || source_[i + 1] == '%' || source_[i + 1] == '#')) return i;
    }
    return source_.size();
  }

  // The text up to a tag, stripped as the tag's sign and lstrip_blocks require.
  std::string trimmed(std::string text, char sign, bool block) const {
    if (sign == '-') return stripped({text, ""}, Side::kRight).text;
    if (sign != '+' && block) {
      const size_t newline = text.rfind('\n');
      const size_t line = newline == std::string::npos ? 0 : newline + 1;
      const bool blank = stripped({text.substr(line), ""}, Side::kBoth).text.empty();
      if ((line > 0 || line_starts_) && blank) text.resize(line);
    }
    return text;
  }

  void text_and_tag() {
    const size_t tag = find_tag(position_);
    std::string text = source_.substr(position_, tag - position_);
    if (tag < source_.size()) {
      const char sign = at(tag + 2) == '-' || at(tag + 2) == '+' ? at(tag + 2) : '\0';
      text = trimmed(std::move(text), sign, source_[tag + 1] != '{');
    }
    if (!text.empty()) put(TokenKind::kText, text);
    advance_to(tag);
    if (tag == source_.size()) return;
    const char type = at(tag + 1);
    const bool sign = at(tag + 2) == '-' || at(tag + 2) == '+';
    advance_to(std::min(tag + (sign ? 3 : 2), source_.size()));
    if (type == '#')
      comment();
    else if (type == '%' && raw())
      return;
    else
      expression(type == '%');
  }

  // Where a tag that closes with `close` ("%}") at `position` ends, white space rules included.
  size_t end_of_close(size_t position, bool minus, bool plus, bool trims) const {
    position += (minus || plus) ? 3 : 2;
    if (minus) {
      position = space_end(position);
    } else if (!plus && trims && at(position) == '\n') {
      ++position;
    }
    return position;
  }

  void comment() {
    if (position_ == source_.size()) return;  // in Jinja a template may end directly after the sign
    const size_t close = source_.find("#}", position_);
    if (close == std::string::npos) fail("a comment is not closed");
    const char before = close > position_ ? source_[close - 1] : '\0';
    const bool minus = before == '-', plus = before == '+';
    advance_to(end_of_close(minus || plus ? close - 1 : close, minus, plus, true));
  }

  // {% raw %} ... {% endraw %}: returns whether the block that begins here is one.
  bool raw() {
    size_t after = position_;
    const auto skip_spaces = [&] { after = space_end(after); };
    skip_spaces();
    if (source_.compare(after, 3, "raw") != 0) return false;
    after += 3;
    skip_spaces();
    const bool minus = at(after) == '-';
    if (source_.compare(after + (minus ? 1 : 0), 2, "%}") != 0) return false;
    advance_to(end_of_close(after, minus, false, false));
    if (position_ == source_.size()) return true;
    for (size_t open = source_.find("{%", position_); open != std::string::npos; open = source_.find("{%", open + 2)) {
      after = open + 2;
      const char sign = at(after) == '-' || at(after) == '+' ? at(after) : '\0';
      if (sign != '\0') ++after;
      skip_spaces();
      if (source_.compare(after, 6, "endraw") != 0) continue;
      after += 6;
      skip_spaces();
      const bool end_minus = at(after) == '-', end_plus = at(after) == '+';
      if (source_.compare(after + (end_minus || end_plus ? 1 : 0), 2, "%}") != 0) continue;
      const std::string text = trimmed(source_.substr(position_, open - position_), sign, true);
      if (!text.empty()) put(TokenKind::kText, text);
      advance_to(end_of_close(after, end_minus, end_plus, true));
      return true;
    }
    fail("a raw block is not closed");
  }

  void expression(bool block) {
    put(block ? TokenKind::kBlockBegin : TokenKind::kPrintBegin, "");
    const std::string_view close = block ? "%}" : "}}";
    std::string open_brackets;
    while (true) {
      advance_to(space_end(position_));
      if (position_ >= source_.size())
        fail(std::string("the template ends inside a tag, expected '") + (block ? "%}'" : "}}'"));
      const bool minus = at(position_) == '-', plus = block && at(position_) == '+';
      const size_t sign = minus || plus ? 1 : 0;
      if (open_brackets.empty() && source_.compare(position_ + sign, 2, close) == 0) {
        put(block ? TokenKind::kBlockEnd : TokenKind::kPrintEnd, "");
        advance_to(end_of_close(position_, minus, plus, block));
        return;
      }
      token(open_brackets);
    }
  }

  void token(std::string& open_brackets) {
    const char c = at(position_);
    if (is_ascii_digit(c)) return number();
    size_t after = position_;
    if (is_name_start(next_char(source_, after))) {
      size_t end = position_;
      while (end < source_.size()) {
        after = end;
        if (!unicode::is_word(next_char(source_, after))) break;
        end = after;
      }
      put(TokenKind::kName, source_.substr(position_, end - position_));
      return advance_to(end);
    }
    if (c == '\'' || c == '"') return string_literal(c);
    static constexpr std::array<std::string_view, 6> kPairs = {"==", "!=", "<=", ">=", "//", "**"};
    for (const std::string_view pair : kPairs) {
      if (!starts(pair)) continue;
      put(TokenKind::kOperator, std::string(pair));
      return advance_to(position_ + 2);
    }
    static constexpr std::string_view kSingles = "+-*/%~<>=.:|,;()[]{}";
    if (kSingles.find(c) == std::string_view::npos || c == '\0')
      fail("an unexpected character '" + source_.substr(position_, after - position_) + "'");
    if (c == '(' || c == '[' || c == '{') open_brackets += c == '(' ? ')' : c == '[' ? ']' : '}';
    if (c == ')' || c == ']' || c == '}') {
      if (open_brackets.empty()) fail(std::string("an unexpected '") + c + "'");
      if (open_brackets.back() != c) {
        fail(std::string("found '") + c + "', expected '" + open_brackets.back() + "'");
      }
      open_brackets.pop_back();
    }
    put(TokenKind::kOperator, std::string(1, c));
    advance_to(position_ + 1);
  }

  // 0x1f, 0o17, 0b101; the token keeps the prefix.
  bool prefixed_number() {
    const auto letter = ascii_lower(at(position_ + 1));
    if (at(position_) != '0' || (letter != 'x' && letter != 'o' && letter != 'b')) return false;
    size_t end = position_ + 2;
    while (hex_digit(at(end)) >= 0 || at(end) == '_') ++end;
    std::string text = source_.substr(position_, end - position_);
    std::erase(text, '_');
    put(TokenKind::kInt, text);
    advance_to(end);
    return true;
  }

  void number() {
    if (prefixed_number()) return;
    size_t end = position_;
    bool real = false;
    const auto digits = [&] {
      while (is_ascii_digit(at(end)) || (at(end) == '_' && is_ascii_digit(at(end + 1)))) ++end;
    };
    digits();
    if (position_ > 0 && source_[position_ - 1] == '.') {  // x.0.1 are two subscripts
      put(TokenKind::kInt, source_.substr(position_, end - position_));
      return advance_to(end);
    }
    if (at(end) == '.' && is_ascii_digit(at(end + 1))) {
      real = true;
      ++end;
      digits();
    }
    const size_t sign = at(end + 1) == '+' || at(end + 1) == '-' ? 1 : 0;
    if ((at(end) == 'e' || at(end) == 'E') && is_ascii_digit(at(end + 1 + sign))) {
      real = true;
      end += 1 + sign;
      digits();
    }
    std::string text = source_.substr(position_, end - position_);
    std::erase(text, '_');
    put(real ? TokenKind::kFloat : TokenKind::kInt, text);
    advance_to(end);
  }

  void string_literal(char quote) {
    std::string value;
    size_t at_char = position_ + 1;
    while (true) {
      if (at_char >= source_.size()) fail("a string is not closed");
      const char c = source_[at_char++];
      if (c == quote) break;
      if (c != '\\')
        value += c;
      else
        escape(at_char, value);
    }
    put(TokenKind::kString, to_valid_utf8(value));
    advance_to(at_char);
  }

  // Python's escapes; an unknown one keeps its backslash.
  void escape(size_t& position, std::string& value) const {
    const char c = at(position++);
    static constexpr std::string_view kNames = "ntr\\'\"abfv\n";
    static constexpr std::array<std::string_view, 11> kValues = {"\n", "\t", "\r", "\\", "'", "\"",
                                                                 "\a", "\b", "\f", "\v", ""};
    if (const size_t known = kNames.find(c); known != std::string_view::npos && c != '\0') {
      value += kValues[known];
      return;
    }
    size_t wanted = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    unsigned base = 16;
    char32_t code = 0;
    size_t count = 0;
    if (c >= '0' && c <= '7') {
      wanted = 3;
      base = 8;
      --position;
    }
    while (count < wanted && hex_digit(at(position)) >= 0 &&
           (base == 16 || (at(position) >= '0' && at(position) <= '7'))) {
      code = code * base + static_cast<unsigned>(hex_digit(at(position++)));
      ++count;
    }
    if (c == 'N') fail("\\N{...} in a string is not supported; write the character itself");
    if (wanted == 0) {
      value += '\\';
      if (static_cast<unsigned char>(c) < 0x80) value += c;
      if (static_cast<unsigned char>(c) >= 0x80) spell_out(--position, value);
      return;
    }
    if (base == 16 && count < wanted) fail("a broken escape in a string");
    if (code > 0x10FFFF) fail("an escape outside Unicode in a string");
    append_utf8(value, code >= 0xD800 && code <= 0xDFFF ? kReplacementChar : code);
  }

  // Python escapes non-ASCII characters before it processes escapes; a preceding backslash keeps that escape.
  void spell_out(size_t& position, std::string& value) const {
    static constexpr std::string_view kHex = "0123456789abcdef";
    const char32_t code = next_char(source_, position);
    const int digits = code < 0x100 ? 2 : code < 0x10000 ? 4 : 8;
    value += digits == 2 ? 'x' : digits == 4 ? 'u' : 'U';
    for (int shift = 4 * (digits - 1); shift >= 0; shift -= 4) value += kHex[(code >> shift) & 15];
  }

  std::string source_;
  size_t position_ = 0;
  Place place_;
  bool line_starts_ = true;  // the preceding text ended with a newline
  std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> tokenize(const std::string& source) { return Lexer(source).run(); }

}  // namespace gptq::chat
