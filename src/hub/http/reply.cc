// Bounds the size of JSON before it is parsed.
#include "hub/http/reply.h"

#include <algorithm>

#include <gptq/error.h>

#include "core/json.h"

namespace gptq::hub {

namespace {

constexpr size_t kMaxDepth = 32;

struct Shape {
  size_t values = 0, depth = 0;
};

// Counts separators and brackets outside strings: an upper bound for valid JSON, an arbitrary number for other text.
Shape shape_of(std::string_view text) {
  Shape shape;
  size_t depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      in_string = c != '"';
      continue;
    }
    in_string = c == '"';
    if (c == '{' || c == '[') shape.depth = std::max(shape.depth, ++depth);
    if ((c == '}' || c == ']') && depth > 0) --depth;
    shape.values += c == '{' || c == '[' || c == ',' || c == ':';
  }
  return shape;
}

}  // namespace

Json parse_reply(std::string_view text, const std::string& what, size_t max_values) {
  const Shape shape = shape_of(text);
  const auto refuse = [&](const std::string& fault) {
    throw Error(ErrorKind::kVerification,
                "parsing " + what + ": found " + fault + ", more than any valid response has; it is ignored");
  };
  if (shape.depth > kMaxDepth) refuse("JSON nested deeper than " + std::to_string(kMaxDepth));
  if (shape.values > max_values) refuse("more than " + std::to_string(max_values) + " JSON values");
  return parse_json(text, what);
}

Json reply_or_null(std::string_view text) {
  try {
    return parse_reply(text, "an answer");
  } catch (const Error&) {
    return nullptr;
  }
}

}  // namespace gptq::hub
