// Values as text: as Python prints them, and as JSON.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "chat/jinja/value.h"

namespace gptq::chat {

MarkedText to_text(Runtime& runtime, const Value& value);  // str(): strings as they are, undefined is empty
MarkedText to_repr(Runtime& runtime, const Value& value);  // repr(): strings in quotes, as inside lists and dicts
std::string to_ascii(const std::string& repr);             // ascii(): a repr with everything else escaped

struct JsonStyle {
  bool ensure_ascii = false;
  bool sort_keys = false;
  std::optional<std::string> indent;  // indentation of one level; absent: everything on one line
  std::string item_separator = ", ";
  std::string key_separator = ": ";
};
// json.dumps. Fails for undefined values and callables.
MarkedText to_json(Runtime& runtime, const Value& value, const JsonStyle& style);

}  // namespace gptq::chat
