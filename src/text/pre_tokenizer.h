// The "pre_tokenizer" of tokenizer.json: a piece of text cut into the words that the model sees one by one.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/json.h"
#include "text/aligned_text.h"

namespace gptq {

struct Span {
  size_t begin = 0;
  size_t end = 0;
};

// One piece of text and its words, in order, none of them empty. Bytes outside the words are dropped.
struct Words {
  std::string text;
  std::vector<Span> spans;
  size_t start_size = 0;        // as in AlignedText
  std::vector<Origin> origins;  // as in AlignedText

  explicit Words(AlignedText piece)
      : text(std::move(piece.text)), start_size(piece.start_size), origins(std::move(piece.origins)) {
    if (!text.empty()) spans.push_back({0, text.size()});
  }
  std::string_view word(size_t index) const {
    return std::string_view(text).substr(spans[index].begin, spans[index].end - spans[index].begin);
  }
};

// Immutable; safe to share between threads. Works on valid UTF-8 and keeps it valid.
class PreTokenizer {
 public:
  virtual ~PreTokenizer() = default;
  virtual void apply(Words& words) const = 0;
};

// `json` is the component, or null for none (every piece is then one word). Throws Error(kVerification) naming
// `what` for a broken component and for a type that is not supported.
std::unique_ptr<PreTokenizer> make_pre_tokenizer(const Json& json, const std::string& what);

}  // namespace gptq
