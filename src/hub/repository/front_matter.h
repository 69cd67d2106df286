// The metadata block that begins a model card: keys of the first level with one or several plain values.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace gptq::hub {

using FrontMatter = std::map<std::string, std::vector<std::string>>;

// Reads the lines between the two "---" of a README.md: `key: value`, `key: [a, b]`, and lists below the key, one item
// a line; quotes and comments as in YAML. What is nested deeper is left out. Never throws; no block gives no keys.
FrontMatter parse_front_matter(std::string_view readme);

std::string yaml_text(const std::string& value);  // quoted where YAML would read something else

}  // namespace gptq::hub
