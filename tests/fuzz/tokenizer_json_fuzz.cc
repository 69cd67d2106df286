// Any bytes as tokenizer.json: loading, encoding, decoding and streaming must end in a result or an Error.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <gptq/error.h>

#include "core/check.h"
#include "text/tokenizer_impl.h"
#include "text/unicode.h"

// The input is tokenizer.json, then perhaps a zero byte and the text to encode.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace gptq;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t cut = input.find('\0');
  std::string text = cut == std::string_view::npos ? "Hello  wörld 12\n<s>" : std::string(input.substr(cut + 1, 200));
  try {
    const auto tokenizer = Tokenizer::Impl::parse(input.substr(0, cut), "fuzz", {});
    MarkedText marked;
    marked.append(to_valid_utf8(text), '\1');
    marked.append("<s>", '\0');
    std::vector<TokenId> ids = tokenizer->encode(marked, true);
    tokenizer->post_processor().apply(ids, true);
    for (const TokenId id : ids) CHECK(id >= 0);
    CHECK(is_valid_utf8(tokenizer->decode(ids.data(), ids.size(), false)));
    CHECK(is_valid_utf8(tokenizer->decode(ids.data(), ids.size(), true)));
  } catch (const Error&) {
  }
  return 0;
}
