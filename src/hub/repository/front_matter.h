// The metadata block at the start of a model card: top-level keys with one or several scalar values.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace gptq::hub {

using FrontMatter = std::map<std::string, std::vector<std::string>>;

// Reads the lines between the two "---" of a README.md: `key: value`, `key: [a, b]`, and lists below the key, one item
// per line; quotes and comments as in YAML. Deeper nesting is ignored. Never throws; without a block there are no keys.
FrontMatter parse_front_matter(std::string_view readme);

std::string yaml_text(const std::string& value);  // quoted where YAML would read it as something else

}  // namespace gptq::hub
