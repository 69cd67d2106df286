// Oniguruma patterns, as tokenizer.json writes them, translated to PCRE2 patterns that match the same text.
#pragma once

#include <string>

namespace gptq::tokenizer {

// The two libraries interpret some constructs differently; these are rewritten:
//   \s \S \w \W \b \h   explicit classes, because the libraries' classes differ in some characters
//   X{n,m}+             a repeated repetition in Oniguruma, possessive in PCRE2
//   [A&&B], [a[bc]]     set operations, which PCRE2 reads as plain characters
//   \p{Han}             the script, where PCRE2 means script extensions
//   (?m)                "dot matches newline"; ^ and $ always match at lines (compile with Options::multiline)
// Source: Oniguruma's doc/RE (Ruby-like default syntax). Back references, named groups, recursion and free spacing
// occur in no tokenizer and throw Error(kVerification), as do broken patterns; `what` names the pattern's origin.
std::string translate_pattern(const std::string& pattern, const std::string& what);

}  // namespace gptq::tokenizer
