// Implementation of core/regex.h with PCRE2.
#include "core/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <gptq/error.h>

namespace gptq {

namespace {

constexpr uint32_t kMatchLimit = 10'000'000;
constexpr size_t kJitStackStart = size_t{1} << 15;
constexpr size_t kJitStackMax = size_t{1}
                                << 24;  // the default of 32 KiB is too little for groups repeated over long texts

std::string reason(int code) {
  PCRE2_UCHAR text[256];
  pcre2_get_error_message(code, text, sizeof(text));
  return reinterpret_cast<const char*>(text);
}

struct MatchData {
  pcre2_match_data* data = pcre2_match_data_create(1, nullptr);
  pcre2_match_context* context = pcre2_match_context_create(nullptr);
  pcre2_jit_stack* stack = pcre2_jit_stack_create(kJitStackStart, kJitStackMax, nullptr);
  MatchData() {
    pcre2_set_match_limit(context, kMatchLimit);
    pcre2_jit_stack_assign(context, nullptr, stack);
  }
  MatchData(const MatchData&) = delete;
  MatchData& operator=(const MatchData&) = delete;
  ~MatchData() {
    pcre2_match_data_free(data);
    pcre2_match_context_free(context);
    pcre2_jit_stack_free(stack);
  }
};

}  // namespace

struct Regex::Code {
  pcre2_code* code = nullptr;
  std::string what;
  ~Code() { pcre2_code_free(code); }
};

Regex::Regex(const std::string& pattern, const std::string& what, Options options) : code_(std::make_unique<Code>()) {
  int error = 0;
  PCRE2_SIZE offset = 0;
  const uint32_t flags = PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C | (options.multiline ? PCRE2_MULTILINE : 0);
  code_->what = what;
  code_->code =
      pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(), flags, &error, &offset, nullptr);
  if (code_->code == nullptr) {
    throw Error(ErrorKind::kVerification, "compiling the regular expression of " + what + ": " + reason(error) +
                                              " at byte " + std::to_string(offset) + " of \"" + pattern + "\"");
  }
  pcre2_jit_compile(code_->code, PCRE2_JIT_COMPLETE);  // without JIT, the interpreter is used
}

Regex::Regex(Regex&&) noexcept = default;
Regex& Regex::operator=(Regex&&) noexcept = default;
Regex::~Regex() = default;

std::optional<std::pair<size_t, size_t>> Regex::find(std::string_view text, size_t start) const {
  thread_local MatchData match;
  const int count = pcre2_match(code_->code, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), start,
                                PCRE2_NO_UTF_CHECK, match.data, match.context);
  if (count == PCRE2_ERROR_NOMATCH) return std::nullopt;
  if (count < 0) {
    throw Error(ErrorKind::kVerification, "matching the regular expression of " + code_->what + ": " + reason(count));
  }
  const PCRE2_SIZE* range = pcre2_get_ovector_pointer(match.data);
  return std::pair{range[0], range[1]};
}

bool Regex::matches_start(std::string_view text) const {
  const auto range = find(text);
  return range && range->first == 0;
}

}  // namespace gptq
