// JSON as Python's json module writes it: with NaN, Infinity and -Infinity, which standard JSON lacks.
#pragma once

#include <string>
#include <string_view>

#include "core/json_fwd.h"

namespace gptq {

// Like parse_json and parse_ordered_json; the three words become non-finite numbers.
Json parse_python_json(std::string_view text, const std::string& what);
OrderedJson parse_ordered_python_json(std::string_view text, const std::string& what);

// Indented by two spaces, non-finite numbers as those words.
std::string python_json_text(OrderedJson json);

}  // namespace gptq
