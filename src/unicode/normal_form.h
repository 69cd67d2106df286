// Unicode normal forms, as the reference computes them: characters newer than its tables stay as they are.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace gptq::unicode {

enum class NormalForm { kNfc, kNfd, kNfkc, kNfkd };

// A character of a rewritten text, and how it came about: 0 takes the place of one character, 1 was added behind the
// one before it, -n takes the place of one character and of the n behind it.
struct ChangedChar {
  char32_t code;
  int change;
};

// n log n even for hostile runs of combining marks. `text` must be valid UTF-8.
std::vector<ChangedChar> normal_form_changes(std::string_view text, NormalForm form);
std::string to_normal_form(std::string_view text, NormalForm form);

}  // namespace gptq::unicode
