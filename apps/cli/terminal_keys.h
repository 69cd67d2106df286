// What a terminal sends, as keys: characters, cursor keys, and pastes as a whole (bracketed paste).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace gptq::cli {

// Keys without a character of their own become control characters, those that Emacs has for the same or free ones.
namespace keys {
constexpr char32_t kBegin = 1, kLeft = 2, kEnd = 5, kRight = 6, kDown = 14, kUp = 16;  // Ctrl-A B E F N P
constexpr char32_t kInterrupt = 3;
constexpr char32_t kEscape = 27;
constexpr char32_t kNextWord = 28, kDelete = 29, kPaste = 30, kPreviousWord = 31;
}  // namespace keys

// Bytes in any pieces; no state outlives the keys that they make. Broken UTF-8 and unknown sequences are left out.
class KeyDecoder {
 public:
  void feed(std::string_view bytes) { bytes_ += bytes; }

  // The next key; nothing until more bytes arrive.
  std::optional<char32_t> next();

  // What is here may be a key of its own or begin a sequence: call flush() when nothing follows soon.
  bool undecided() const { return undecided_; }
  void flush();  // it was a key of its own

  // After kPaste: its text, valid UTF-8 whose lines end with '\n', the last one without; nothing in it steers a terminal.
  std::string take_paste();

  void clear();  // forgets what was not given out yet

 private:
  std::optional<char32_t> escape_sequence();
  std::optional<char32_t> paste(size_t begin);
  std::optional<char32_t> character();

  std::string bytes_, paste_;
  size_t searched_ = 0;  // bytes of a paste without its end
  bool undecided_ = false;
  bool literal_escape_ = false;  // the escape in front is a key of its own
};

}  // namespace gptq::cli
