// Unicode normal forms as the reference computes them: characters newer than its tables do not change.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace gptq::unicode {

enum class NormalForm { kNfc, kNfd, kNfkc, kNfkd };

// A character of a rewritten text and its origin: 0 replaces one character, 1 was added after the previous one, -n
// replaces one character and the n after it.
struct ChangedChar {
  char32_t code;
  int change;
};

// O(n log n) even for malicious runs of combining marks. `text` must be valid UTF-8.
std::vector<ChangedChar> normal_form_changes(std::string_view text, NormalForm form);
std::string to_normal_form(std::string_view text, NormalForm form);

}  // namespace gptq::unicode
