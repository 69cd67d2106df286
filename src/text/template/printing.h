// How values become text: as Python prints them, and as JSON.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "text/template/value.h"

namespace gptq::chat {

MarkedText to_text(Runtime& runtime, const Value& value);  // str(): strings as they are, undefined is empty
MarkedText to_repr(Runtime& runtime, const Value& value);  // repr(): strings in quotes, inside lists and dicts

// Python's shortest form that reads back as the same number: 1.0, 0.1, 1e-05, 1e+16, inf, nan.
std::string float_text(double number);

struct JsonStyle {
  bool ensure_ascii = false;
  bool sort_keys = false;
  std::optional<std::string> indent;  // what one level is indented by; absent: everything on one line
  std::string item_separator = ", ";
  std::string key_separator = ": ";
};
// json.dumps. Fails for undefined values and callables.
MarkedText to_json(Runtime& runtime, const Value& value, const JsonStyle& style);

}  // namespace gptq::chat
