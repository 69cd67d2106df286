// Decodes terminal input into keys: characters, cursor keys, and whole pastes (bracketed paste).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace gptq::cli {

// Keys without a character become control characters: Emacs's ones, or unused ones.
namespace keys {
constexpr char32_t kBegin = 1, kLeft = 2, kEnd = 5, kRight = 6, kDown = 14, kUp = 16;  // Ctrl-A B E F N P
constexpr char32_t kInterrupt = 3;
constexpr char32_t kEscape = 27;
constexpr char32_t kNextWord = 28, kDelete = 29, kPaste = 30, kPreviousWord = 31;
}  // namespace keys

// Accepts bytes in any pieces. Invalid UTF-8 and unknown sequences are dropped.
class KeyDecoder {
 public:
  void feed(std::string_view bytes) { bytes_ += bytes; }

  // The next key; nullopt until more bytes arrive.
  std::optional<char32_t> next();

  // True if the pending byte may be a key of its own or start a sequence: call flush() when nothing follows soon.
  bool undecided() const { return undecided_; }
  void flush();  // treats it as a key

  // After kPaste: its text, valid UTF-8 with '\n' between lines and without control sequences.
  std::string take_paste();

  void clear();  // discards pending input

 private:
  std::optional<char32_t> escape_sequence();
  std::optional<char32_t> paste(size_t begin);
  std::optional<char32_t> character();

  std::string bytes_, paste_;
  size_t searched_ = 0;  // bytes of an incomplete paste
  bool undecided_ = false;
  bool literal_escape_ = false;  // the leading escape is a key of its own
};

}  // namespace gptq::cli
