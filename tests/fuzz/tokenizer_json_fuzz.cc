// Any bytes as tokenizer.json: loading, encoding, tracing, decoding and streaming must end in a result or an Error.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <gptq/error.h>

#include "core/check.h"
#include "tokenizer/pipeline.h"
#include "unicode/characters.h"

namespace {

using namespace gptq;
using namespace gptq::tokenizer;

void encode_protected(const tokenizer::Pipeline& tokenizer, const std::string& text) {
  unicode::MarkedText marked;
  marked.append(text, '\1');
  marked.append("<s>", '\0');
  std::vector<TokenId> ids = tokenizer.encode(marked, true);
  tokenizer.post_processor().apply(ids, true);
  for (const TokenId id : ids) CHECK(id >= 0);
  CHECK(is_valid_utf8(tokenizer.decode(ids.data(), ids.size(), false)));
  CHECK(is_valid_utf8(tokenizer.decode(ids.data(), ids.size(), true)));
}

void encode_traced(const tokenizer::Pipeline& tokenizer, const std::string& text) {
  unicode::MarkedText plain;
  plain.text = text;
  std::vector<TokenId> traced;
  tokenizer.encode_with_offsets(plain, false, [&](const PlacedToken& token) { traced.push_back(token.id); });
  CHECK(traced == tokenizer.encode(plain, false), "where tokens come from must not change them");
}

}  // namespace

// The input is tokenizer.json, then perhaps a zero byte and the text to encode.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t cut = input.find('\0');
  const std::string text = to_valid_utf8(cut == std::string_view::npos ? "Hello  w\u00f6rld 12\n<s> \u65e5\u672ce\u0301"
                                                                       : input.substr(cut + 1, 200));
  try {
    const auto tokenizer = tokenizer::Pipeline::parse(input.substr(0, cut), "fuzz", {});
    encode_protected(*tokenizer, text);
    encode_traced(*tokenizer, text);
  } catch (const Error&) {
  }
  return 0;
}
