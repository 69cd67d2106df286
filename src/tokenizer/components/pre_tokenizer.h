// The "pre_tokenizer" of tokenizer.json: a piece of text cut into the words that the model sees one by one.
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

// Bytes [begin, end) of a text that the text budget keeps below 2 GiB.
struct Span {
  uint32_t begin = 0;
  uint32_t end = 0;
};

// One piece of text and its words, in order, none of them empty. Bytes outside the words are dropped.
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
  Words block(size_t first, size_t end) const;  // these words alone; first < end
};

// One component that has no parts. Immutable; safe to share between threads. Works on valid UTF-8 and keeps it valid,
// and on every word by itself, so that it makes no difference how many are given to it at once.
class WordStep {
 public:
  virtual ~WordStep() = default;
  virtual void apply(Words& words, TextBudget& budget) const = 0;

  std::string place;  // in tokenizer.json, for errors
};

// All steps, one after the other. Immutable; safe to share between threads.
class PreTokenizer {
 public:
  using Steps = std::vector<std::unique_ptr<WordStep>>;
  using Sink = std::function<void(const Words& words)>;

  explicit PreTokenizer(Steps steps) : steps_(std::move(steps)) {}

  // Gives `sink` the words in order. Where a step leaves many words, the ones behind it get them in blocks, so that a
  // long text is never in memory in its last, longest form.
  void apply(AlignedText piece, TextBudget& budget, const Sink& sink) const {
    run(0, Words(std::move(piece)), budget, sink);
  }

 private:
  void run(size_t step, Words words, TextBudget& budget, const Sink& sink) const;

  Steps steps_;
};

// `json` is the component, or null for none (every piece is then one word). Throws Error(kVerification) naming
// `what` for a broken component and for a type that is not supported.
PreTokenizer make_pre_tokenizer(const Json& json, const std::string& what);

}  // namespace gptq::tokenizer
