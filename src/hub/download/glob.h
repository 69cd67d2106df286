// Shell globs over paths in a repository, with the rules of huggingface_hub's --include and --exclude.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace gptq::hub {

// Python's fnmatchcase on code points: * (also matches slashes), ?, [abc], [!a-z]. A trailing slash means everything
// below, a backslash in the pattern is a slash. Invalid UTF-8 matches nothing.
bool glob_matches(std::string_view pattern, std::string_view path);

bool any_matches(const std::vector<std::string>& patterns, std::string_view path);

}  // namespace gptq::hub
