// The subset of YAML in the metadata of model cards.
#include "hub/repository/front_matter.h"

#include <algorithm>

#include "core/ascii.h"
#include "core/json.h"

namespace gptq::hub {

namespace {

constexpr size_t kMaxCardBytes = size_t{1} << 20;  // bytes of a card that are read

// The scalar at the start of `text`, ending at one of `ends` if it is not quoted; moves `text` past it.
std::string take_scalar(std::string_view& text, std::string_view ends) {
  text = trim(text);
  std::string value;
  if (text.starts_with('"') || text.starts_with('\'')) {
    const char quote = text.front();
    size_t i = 1;
    for (; i < text.size(); ++i) {
      if (text[i] == quote && quote == '\'' && text.substr(i + 1).starts_with('\''))
        ++i;
      else if (text[i] == quote)
        break;
      else if (text[i] == '\\' && quote == '"' && i + 1 < text.size())
        ++i;
      value += text[i];
    }
    text.remove_prefix(std::min(i + 1, text.size()));
    return value;
  }
  size_t end = 0;
  while (end < text.size() && ends.find(text[end]) == ends.npos &&
         !(text[end] == '#' && (end == 0 || text[end - 1] == ' '))) {
    ++end;
  }
  value = std::string(trim(text.substr(0, end)));
  if (end < text.size() && text[end] == '#') end = text.size();
  text.remove_prefix(end);
  return value;
}

// The value after a colon: "value", "[a, b]", or nothing.
std::vector<std::string> take_values(std::string_view text) {
  std::vector<std::string> values;
  text = trim(text);
  if (text.starts_with('{') || text.starts_with('|') || text.starts_with('>')) return values;
  if (!text.starts_with('[')) {
    if (std::string value = take_scalar(text, ""); !value.empty()) values.push_back(std::move(value));
    return values;
  }
  text.remove_prefix(1);
  while (!text.empty() && text.front() != ']') {
    if (std::string value = take_scalar(text, ",]"); !value.empty()) values.push_back(std::move(value));
    text = trim(text);
    if (!text.empty() && text.front() != ',') break;
    if (!text.empty()) text.remove_prefix(1);
    text = trim(text);
  }
  return values;
}

}  // namespace

FrontMatter parse_front_matter(std::string_view readme) {
  readme = readme.substr(0, kMaxCardBytes);
  if (readme.starts_with("\xEF\xBB\xBF")) readme.remove_prefix(3);
  FrontMatter matter;
  std::string key;
  bool inside = false;
  for (size_t begin = 0; begin < readme.size();) {
    const size_t end = std::min(readme.find('\n', begin), readme.size());
    const std::string_view line = readme.substr(begin, end - begin);
    begin = end + 1;
    const std::string_view text = trim(line);
    if (text == "---") {
      if (inside) return matter;
      inside = true;
      continue;
    }
    if (!inside) return {};
    if (text.empty() || text.front() == '#') continue;
    if (text == "-" || text.starts_with("- ")) {
      const std::string_view item = text.substr(std::min<size_t>(2, text.size()));
      const bool plain = !item.empty() && (item.front() == '"' || item.find(": ") == item.npos);
      if (!key.empty() && plain) {
        for (std::string& value : take_values(item)) matter[key].push_back(std::move(value));
      }
      continue;
    }
    const size_t colon = text.find(':');
    if (line.front() == ' ' || line.front() == '\t' || colon == text.npos) {
      key.clear();  // nested: its items do not belong to this key
      continue;
    }
    key = std::string(trim(text.substr(0, colon)));
    matter[key] = take_values(text.substr(colon + 1));
  }
  return {};  // the block is not closed
}

std::string yaml_text(const std::string& value) {
  static constexpr std::string_view kWords[] = {"true", "false", "yes", "no", "on", "off", "null", "y", "n"};
  const bool plain = !value.empty() && is_ascii_alpha(value[0]) && std::all_of(value.begin(), value.end(), [](char c) {
    return is_ascii_alnum(c) || c == '-' || c == '_' || c == '.' || c == '/';
  }) && std::find(std::begin(kWords), std::end(kWords), ascii_lower(value)) == std::end(kWords);
  if (plain) return value;
  return Json(value).dump(-1, ' ', false, Json::error_handler_t::replace);  // JSON strings are valid YAML
}

}  // namespace gptq::hub
