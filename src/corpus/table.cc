// CSV records; quoted fields may contain separators, newlines and doubled quotes.
#include "corpus/table.h"

#include <algorithm>
#include <optional>
#include <vector>

#include <gptq/error.h>

#include "core/ascii.h"
#include "core/json.h"

namespace gptq::corpus {

namespace {

char separator_of(std::string_view text) {
  const std::string_view header = text.substr(0, text.find('\n'));
  return header.find('\t') != std::string_view::npos ? '\t' : ',';
}

class Records {
 public:
  Records(std::string_view text, char separator) : text_(text), separator_(separator) {}

  size_t line() const { return line_; }        // line where the last record began
  bool unclosed() const { return unclosed_; }  // the last record ended inside quotes

  // False at the end. Skips empty lines.
  bool next(std::vector<std::string>& fields) {
    while (position_ < text_.size() && (text_[position_] == '\n' || text_[position_] == '\r')) {
      lines_ += text_[position_++] == '\n' ? 1 : 0;
    }
    if (position_ >= text_.size()) return false;
    line_ = lines_;
    fields.assign(1, "");
    bool quoted = false;
    for (; position_ < text_.size(); ++position_) {
      const char c = text_[position_];
      if (c == '\n') ++lines_;
      if (quoted) {
        if (c != '"')
          fields.back() += c;
        else if (position_ + 1 < text_.size() && text_[position_ + 1] == '"')
          fields.back() += text_[++position_];
        else
          quoted = false;
      } else if (c == '"' && fields.back().empty()) {
        quoted = true;
      } else if (c == separator_) {
        fields.emplace_back();
      } else if (c == '\n') {
        ++position_;
        break;
      } else {
        fields.back() += c;
      }
    }
    unclosed_ = quoted;
    if (!fields.back().empty() && fields.back().back() == '\r') fields.back().pop_back();
    return true;
  }

 private:
  std::string_view text_;
  char separator_;
  size_t position_ = 0;
  size_t lines_ = 1, line_ = 1;
  bool unclosed_ = false;
};

bool is_name(const std::string& field) {
  constexpr size_t kMaxNameBytes = 64;
  return !field.empty() && field.size() <= kMaxNameBytes && std::all_of(field.begin(), field.end(), [](char c) {
    return is_ascii_alnum(c) || c == '_' || c == '-' || c == '.';
  });
}

bool is_known(const std::string& name) {
  static constexpr const char* kNames[] = {"text", "content", "prompt", "completion", "instruction", "messages"};
  return std::any_of(std::begin(kNames), std::end(kNames), [&](const char* known) { return name == known; });
}

}  // namespace

bool is_table(std::string_view text, bool named) {
  if (named) return true;
  Records records(text.substr(0, std::min(text.size(), size_t{1} << 20)), separator_of(text));
  std::vector<std::string> header, first;
  if (!records.next(header) || header.size() < 2 || !records.next(first)) return false;
  return first.size() == header.size() && std::all_of(header.begin(), header.end(), is_name) &&
         std::any_of(header.begin(), header.end(), is_known);
}

void read_table(std::string_view text, const std::string& name,
                const std::function<void(const OrderedJson& row, const std::string& where)>& sink) {
  Records records(text, separator_of(text));
  std::vector<std::string> header, fields;
  records.next(header);
  while (records.next(fields)) {
    const std::string where = name + " line " + std::to_string(records.line());
    const auto fail = [&](const std::string& reason) {
      throw Error(ErrorKind::kVerification, "reading " + where + ": " + reason);
    };
    if (records.unclosed()) fail("a quoted field has no end; the table is damaged or cut short");
    if (fields.size() != header.size()) {
      fail("found " + std::to_string(fields.size()) + " fields, the header has " + std::to_string(header.size()) +
           "; put fields that hold the separator or a newline in quotes");
    }
    OrderedJson row = OrderedJson::object();
    for (size_t i = 0; i < fields.size(); ++i) {
      row[header[i]] = fields[i].empty() ? OrderedJson() : OrderedJson(fields[i]);
    }
    sink(row, where);
  }
}

}  // namespace gptq::corpus
