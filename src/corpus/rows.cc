// Distinguishes JSON lines, JSON arrays, tables and plain text, and iterates over their rows.
#include "corpus/rows.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <gptq/error.h>

#include "core/ascii.h"
#include "core/json.h"
#include "corpus/table.h"

namespace gptq::corpus {

namespace {

constexpr std::string_view kJsonSpace = " \t\r\n";

size_t skip_space(std::string_view text, size_t position) {
  return std::min(text.find_first_not_of(kJsonSpace, position), text.size());
}

[[noreturn]] void fail(const std::string& where, const std::string& reason) {
  throw Error(ErrorKind::kVerification, "reading " + where + ": " + reason);
}

// The parser's message without the text it quotes.
std::string parser_reason(std::string reason) {
  for (const char* from : {"syntax error ", "as JSON: "}) {
    if (const size_t at = reason.find(from); at != std::string::npos)
      reason.erase(0, at + std::string_view(from).size());
  }
  for (const char* end : {"; last read", "; the file is damaged"}) reason = reason.substr(0, reason.find(end));
  constexpr size_t kMaxBytes = 160;
  return reason.substr(0, kMaxBytes);
}

// nullopt and `reason` when it is not JSON.
std::optional<OrderedJson> try_parse(std::string_view text, std::string* reason = nullptr) {
  try {
    return parse_ordered_json(standard_json(text), "");
  } catch (const Error& error) {
    if (reason != nullptr) *reason = parser_reason(error.what());
    return std::nullopt;
  }
}

// Passes rows on one by one and counts those without content.
class Rows {
 public:
  explicit Rows(const RowSink& sink) : sink_(sink) {}

  void json(std::string_view text, const std::string& where) {
    std::string reason;
    const std::optional<OrderedJson> value = try_parse(text, &reason);
    if (!value) fail(where, "not a JSON value: " + reason + "; the line is damaged or cut short");
    put(*value, where);
  }

  void put(const OrderedJson& value, const std::string& where) {
    Row row;
    row.where = where;
    if (read_row(value, row))
      sink_(row);
    else
      ++skipped_;
  }

  size_t skipped() const { return skipped_; }

 private:
  const RowSink& sink_;
  size_t skipped_ = 0;
};

void read_json_lines(std::string_view text, const std::string& name, Rows& rows) {
  size_t number = 0;
  for (size_t begin = 0, end; begin < text.size(); begin = end + 1) {
    end = std::min(text.find('\n', begin), text.size());
    ++number;
    const std::string_view line = text.substr(begin, end - begin);
    if (skip_space(line, 0) < line.size()) rows.json(line, name + " line " + std::to_string(number));
  }
}

// The end of the JSON value at `position`: the position of the ',' or ']' after it; text.size() when there is none.
size_t value_end(std::string_view text, size_t position) {
  size_t depth = 0;
  bool inside_string = false;
  for (; position < text.size(); ++position) {
    const char c = text[position];
    if (inside_string) {
      if (c == '\\')
        ++position;
      else if (c == '"')
        inside_string = false;
      continue;
    }
    if (c == '"') inside_string = true;
    if (c == '{' || c == '[') ++depth;
    if (depth == 0 && (c == ',' || c == ']')) return position;
    if ((c == '}' || c == ']') && depth > 0) --depth;
  }
  return text.size();
}

// `text` begins with '['. Items are parsed one at a time: an array may be much larger than memory for its values.
void read_json_array(std::string_view text, const std::string& name, Rows& rows) {
  size_t line = 1, counted = 0;
  const auto place = [&](size_t position) {
    line += static_cast<size_t>(std::count(text.begin() + static_cast<std::ptrdiff_t>(counted),
                                           text.begin() + static_cast<std::ptrdiff_t>(position), '\n'));
    counted = position;
    return name + " line " + std::to_string(line);
  };
  size_t position = skip_space(text, text.find('[') + 1);
  size_t end = position;
  if (position < text.size() && text[position] != ']') {
    for (size_t item = 1;; ++item) {
      end = value_end(text, position);
      const std::string where = place(position) + " (item " + std::to_string(item) + ")";
      if (end == text.size()) fail(where, "the JSON array ends inside this item; the file is damaged or cut short");
      rows.json(text.substr(position, end - position), where);
      if (text[end] == ']') break;
      position = skip_space(text, end + 1);
    }
  }
  if (end == text.size()) fail(place(position), "the JSON array has no end; the file is damaged or cut short");
  if (skip_space(text, end + 1) < text.size()) {
    fail(place(end), "found text after the JSON array; expected one array, or one object on each line");
  }
}

bool ends_with(const std::string& name, std::string_view ending) {
  if (name.size() < ending.size()) return false;
  const auto same = [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a - 'A' + 'a' : a) == b; };
  return std::equal(ending.begin(), ending.end(), name.end() - static_cast<std::ptrdiff_t>(ending.size()),
                    [&](char b, char a) { return same(a, b); });
}

bool is_named(std::string name, std::initializer_list<std::string_view> endings) {
  for (const std::string_view packed : {".gz", ".zst"}) {
    if (ends_with(name, packed)) name.resize(name.size() - packed.size());
  }
  return std::any_of(endings.begin(), endings.end(), [&](std::string_view ending) { return ends_with(name, ending); });
}

enum class Form { kPlain, kLines, kArray, kDocument, kTable };

Form find_form(std::string_view text, const std::string& name) {
  const size_t begin = skip_space(text, 0);
  const bool named = is_named(name, {".jsonl", ".json", ".ndjson"});
  if (begin < text.size() && text[begin] == '{') {
    const size_t line_end = std::min(text.find('\n', begin), text.size());
    const auto is_object = [](const std::optional<OrderedJson>& value) { return value && value->is_object(); };
    if (is_object(try_parse(text.substr(begin, line_end - begin)))) return Form::kLines;
    const size_t inside = skip_space(text, begin + 1);
    if (!named && (inside >= text.size() || text[inside] != '"')) return Form::kPlain;
    return inside > line_end && is_object(try_parse(text)) ? Form::kDocument : Form::kLines;
  }
  if (begin < text.size() && text[begin] == '[') {
    const size_t inside = skip_space(text, begin + 1);
    const auto first = try_parse(text.substr(inside, value_end(text, inside) - inside));
    if (named || (first && (first->is_object() || first->is_string()))) return Form::kArray;
    // A truncated row is not plain text.
    if (inside + 1 < text.size() && text[inside] == '{' && text[skip_space(text, inside + 1) % text.size()] == '"') {
      return Form::kArray;
    }
  }
  if (named) return Form::kLines;
  return is_table(text, is_named(name, {".csv", ".tsv"})) ? Form::kTable : Form::kPlain;
}

}  // namespace

std::string standard_json(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  const auto starts = [&](size_t i, std::string_view word) { return text.substr(i, word.size()) == word; };
  // The code of "\uXXXX" at i, or -1.
  const auto escape = [&](size_t i) -> int {
    if (i + 6 > text.size() || text[i] != '\\' || text[i + 1] != 'u') return -1;
    int code = 0;
    for (size_t k = i + 2; k < i + 6; ++k) {
      const int digit = hex_digit(text[k]);
      if (digit < 0) return -1;
      code = code * 16 + digit;
    }
    return code;
  };
  bool inside_string = false;
  for (size_t i = 0; i < text.size();) {
    size_t size = 1;
    if (inside_string && text[i] == '\\') {
      const int code = escape(i);
      const int next = escape(i + 6);
      size = code >= 0 ? 6 : 2;
      if (code >= 0xD800 && code < 0xDC00 && next >= 0xDC00 && next < 0xE000) {
        size = 12;
      } else if (code >= 0xD800 && code < 0xE000) {
        out += "\\ufffd";
        i += size;
        continue;
      }
    } else if (text[i] == '"') {
      inside_string = !inside_string;
    } else if (!inside_string) {
      size_t number = 0;
      for (const std::string_view word : {"NaN", "Infinity", "-Infinity"}) {
        if (starts(i, word)) number = word.size();
      }
      if (number > 0) {
        out += "null";
        i += number;
        continue;
      }
    }
    out.append(text.substr(i, size));
    i += size;
  }
  return out;
}

size_t read_rows(std::string_view text, const std::string& name, const RowSink& sink) {
  Rows rows(sink);
  switch (find_form(text, name)) {
    case Form::kLines: read_json_lines(text, name, rows); break;
    case Form::kArray: read_json_array(text, name, rows); break;
    case Form::kDocument: rows.json(text, name); break;
    case Form::kTable:
      read_table(text, name, [&](const OrderedJson& row, const std::string& where) { rows.put(row, where); });
      break;
    case Form::kPlain: {
      if (skip_space(text, 0) == text.size()) break;
      Row row;
      row.where = name;
      row.text = text;
      sink(row);
    }
  }
  return rows.skipped();
}

}  // namespace gptq::corpus
