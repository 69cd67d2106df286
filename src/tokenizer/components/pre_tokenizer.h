// The "pre_tokenizer" of tokenizer.json: splits a segment of text into the words that the model encodes.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/json_fwd.h"
#include "tokenizer/components/aligned_text.h"
#include "tokenizer/components/text_budget.h"

namespace gptq::tokenizer {

// Bytes [begin, end) of a text, which the text budget keeps below 2 GiB.
struct Span {
  uint32_t begin = 0;
  uint32_t end = 0;
};

// A segment of text and its words, in order, none of them empty. Bytes outside the words are dropped.
struct Words {
  std::string text;
  std::vector<Span> spans;
  size_t start_size = 0;        // as in AlignedText
  std::vector<Origin> origins;  // as in AlignedText

  Words() = default;
  explicit Words(AlignedText piece)
      : text(std::move(piece.text)), start_size(piece.start_size), origins(std::move(piece.origins)) {
    if (!text.empty()) spans.push_back({0, static_cast<uint32_t>(text.size())});
  }
  std::string_view word(size_t index) const {
    return std::string_view(text).substr(spans[index].begin, spans[index].end - spans[index].begin);
  }
  Words block(size_t first, size_t end) const;  // these words only; first < end
};

// One elementary step. Immutable and thread-safe. Input and output are valid UTF-8. Each word is processed separately,
// so that words may be passed in any number of calls.
class WordStep {
 public:
  virtual ~WordStep() = default;
  virtual void apply(Words& words, TextBudget& budget) const = 0;

  std::string place;  // in tokenizer.json, for errors
};

// All steps in sequence. Immutable and thread-safe.
class PreTokenizer {
 public:
  using Steps = std::vector<std::unique_ptr<WordStep>>;
  using Sink = std::function<void(const Words& words)>;

  explicit PreTokenizer(Steps steps) : steps_(std::move(steps)) {}

  // Passes the words to `sink` in order. Steps that produce many words pass them on in blocks, so that a long text is
  // never in memory in its final, longest form.
  void apply(AlignedText piece, TextBudget& budget, const Sink& sink) const {
    run(0, Words(std::move(piece)), budget, sink);
  }

 private:
  void run(size_t step, Words words, TextBudget& budget, const Sink& sink) const;

  Steps steps_;
};

// `json` is the component, or null for none (every segment is then one word). Throws Error(kVerification) naming `what`
// for a malformed component and for an unsupported type.
PreTokenizer make_pre_tokenizer(const Json& json, const std::string& what);

}  // namespace gptq::tokenizer
