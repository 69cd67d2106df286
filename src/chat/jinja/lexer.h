// Splits template source into text and the tokens of its tags, with Jinja's rules for white space around tags.
#pragma once

#include <string>
#include <vector>

namespace gptq::chat {

enum class TokenKind {
  kText,
  kBlockBegin,
  kBlockEnd,
  kPrintBegin,
  kPrintEnd,
  kName,
  kInt,
  kFloat,
  kString,
  kOperator,
  kEnd
};

// Both count from 1; columns count characters.
struct Place {
  int line = 1;
  int column = 1;
};

struct Token {
  TokenKind kind;
  std::string text;  // text, name, digits, the string's value, or the operator
  Place place;
};

// With trim_blocks, lstrip_blocks and without the trailing newline, as transformers sets Jinja up. Ends with a kEnd
// token. Throws TemplateError.
std::vector<Token> tokenize(const std::string& source);

// A failure while reading a template.
struct TemplateError {
  Place place;
  std::string reason;
};

}  // namespace gptq::chat
