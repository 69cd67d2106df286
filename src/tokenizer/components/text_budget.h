// Limits how much text the components of a tokenizer may add to one input: tokenizer.json is untrusted.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>

#include <gptq/error.h>

namespace gptq::tokenizer {

// A component may lengthen its input (a space becomes "▁", a ligature eighteen letters). All of them together may add
// at most 64 bytes per byte of input plus 1 MiB, and never more than 1 GiB: with inputs of 512 MiB, texts stay below 2
// GiB. Real tokenizers add less than 25 bytes per byte. One budget is for one input.
class TextBudget {
 public:
  static constexpr size_t kPerByte = 64;
  static constexpr size_t kConstant = size_t{1} << 20;
  static constexpr size_t kMaxBytes = size_t{1} << 30;

  // `action` is a literal for errors: "encoding", "decoding".
  TextBudget(const char* action, size_t input_bytes)
      : action_(action), input_(input_bytes), left_(std::min(kPerByte * input_bytes + kConstant, kMaxBytes)) {}

  // Names the current component ("tokenizer.json: normalizer (Replace)"), which must outlive the budget. An empty name
  // keeps the previous one.
  void enter(const std::string& place) {
    if (!place.empty()) place_ = &place;
  }

  // `before` bytes become `after`. Throws Error(kVerification) naming the component when that is too much.
  void rewrite(size_t before, size_t after) {
    if (after <= before) return;
    check(after - before);
    left_ -= after - before;
  }

  // Throws as rewrite() would for this many additional bytes, which are charged later.
  void check(size_t bytes) const {
    if (bytes > left_) exceed();
  }

 private:
  [[noreturn]] void exceed() const {
    throw Error(ErrorKind::kVerification, std::string(action_) + " " + std::to_string(input_) + " bytes of text with " +
                                              (place_ == nullptr ? "the tokenizer" : *place_) +
                                              ": it makes the text longer by more than " + std::to_string(kPerByte) +
                                              " times and 1 MiB, or by 1 GiB; if no tokenizer should do that to this "
                                              "text, the file is damaged or malicious: download "
                                              "it again, otherwise cut the text into parts");
  }

  const char* action_;
  const std::string* place_ = nullptr;
  size_t input_;
  size_t left_;
};

}  // namespace gptq::tokenizer
