// Regular expressions: PCRE2 with UTF-8, Unicode properties and JIT, with limits for untrusted patterns.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace gptq {

class Regex {
 public:
  struct Options {
    bool multiline = false;  // ^ and $ match at line breaks
  };

  // Throws Error(kVerification) with the position and PCRE2's reason; `what` names the pattern's origin.
  Regex(const std::string& pattern, const std::string& what, Options options);
  Regex(const std::string& pattern, const std::string& what) : Regex(pattern, what, Options{}) {}
  Regex(Regex&&) noexcept;
  Regex& operator=(Regex&&) noexcept;
  ~Regex();

  // The first match at or after byte `start`, as [begin, end) byte offsets. `text` must be valid UTF-8.
  // Throws Error(kVerification) when the pattern exceeds its match limit. Safe to call from several threads.
  std::optional<std::pair<size_t, size_t>> find(std::string_view text, size_t start = 0) const;

  // Like Python's re.match: a match that begins at the start of `text`.
  bool matches_start(std::string_view text) const;

 private:
  struct Code;
  std::unique_ptr<Code> code_;
};

}  // namespace gptq
