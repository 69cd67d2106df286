// Decodes terminal input into keys: characters, cursor keys, and whole pastes (bracketed paste).
#include "terminal_keys.h"

#include <utf8proc.h>
#include <algorithm>
#include <map>
#include <utility>

#include <gptq/terminal.h>

namespace gptq::cli {

namespace {

constexpr std::string_view kPasteBegin = "\033[200~", kPasteEnd = "\033[201~";

// After the escape: sequences of xterm and compatible terminals, in both cursor modes, of rxvt and of the console.
const std::map<std::string_view, char32_t> kSequences = {
    {"[A", keys::kUp},
    {"OA", keys::kUp},
    {"[B", keys::kDown},
    {"OB", keys::kDown},
    {"[C", keys::kRight},
    {"OC", keys::kRight},
    {"[D", keys::kLeft},
    {"OD", keys::kLeft},
    {"[H", keys::kBegin},
    {"OH", keys::kBegin},
    {"[1~", keys::kBegin},
    {"[7~", keys::kBegin},
    {"[F", keys::kEnd},
    {"OF", keys::kEnd},
    {"[4~", keys::kEnd},
    {"[8~", keys::kEnd},
    {"[3~", keys::kDelete},
    {"[1;5C", keys::kNextWord},
    {"[1;3C", keys::kNextWord},
    {"Oc", keys::kNextWord},
    {"[1;5D", keys::kPreviousWord},
    {"[1;3D", keys::kPreviousWord},
    {"Od", keys::kPreviousWord},
};

bool is_between(char c, unsigned char low, unsigned char high) {
  return static_cast<unsigned char>(c) >= low && static_cast<unsigned char>(c) <= high;
}

// Length of the escape sequence at the front; 0 if incomplete, 1 if it is not a sequence.
size_t sequence_length(const std::string& bytes) {
  if (bytes.size() < 2) return 0;
  if (bytes[1] == 'O') return bytes.size() < 3 ? 0 : 3;
  if (bytes[1] != '[') return 1;
  size_t end = 2;
  while (end < bytes.size() && is_between(bytes[end], 0x20, 0x3F)) ++end;
  if (end == bytes.size()) return 0;
  return is_between(bytes[end], 0x40, 0x7E) ? end + 1 : 1;
}

std::string with_plain_line_ends(std::string_view text) {
  std::string lines;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\r' && i + 1 < text.size() && text[i + 1] == '\n') continue;
    lines += text[i] == '\r' ? '\n' : text[i];
  }
  lines.erase(lines.find_last_not_of('\n') + 1);
  return lines;
}

}  // namespace

std::optional<char32_t> KeyDecoder::next() {
  undecided_ = false;
  for (;;) {
    const size_t before = bytes_.size();
    if (before == 0) return std::nullopt;
    const std::optional<char32_t> key = bytes_[0] == '\033' && !literal_escape_ ? escape_sequence() : character();
    if (key || bytes_.size() == before) return key;  // else something was left out
  }
}

std::optional<char32_t> KeyDecoder::escape_sequence() {
  const size_t length = sequence_length(bytes_);
  if (length == 0) {
    undecided_ = true;
    return std::nullopt;
  }
  if (length == 1) return character();
  const std::string_view sequence = std::string_view(bytes_).substr(0, length);
  if (sequence == kPasteBegin) return paste(length);
  const auto known = kSequences.find(sequence.substr(1));
  const std::optional<char32_t> key = known == kSequences.end() ? std::nullopt : std::optional(known->second);
  bytes_.erase(0, length);
  return key;
}

std::optional<char32_t> KeyDecoder::paste(size_t begin) {
  const size_t end = bytes_.find(kPasteEnd, std::max(begin, searched_));
  if (end == std::string::npos) {
    searched_ = bytes_.size() - std::min(bytes_.size(), kPasteEnd.size() - 1);
    return std::nullopt;
  }
  paste_ += sanitize_for_terminal(with_plain_line_ends(std::string_view(bytes_).substr(begin, end - begin)));
  bytes_.erase(0, end + kPasteEnd.size());
  searched_ = 0;
  return keys::kPaste;
}

std::optional<char32_t> KeyDecoder::character() {
  literal_escape_ = false;
  const auto* data = reinterpret_cast<const utf8proc_uint8_t*>(bytes_.data());
  const unsigned char lead = data[0];
  const size_t expected = lead < 0xC0 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  size_t there = 1;
  while (there < std::min(expected, bytes_.size()) && is_between(bytes_[there], 0x80, 0xBF)) ++there;
  if (there < expected && there == bytes_.size()) return std::nullopt;
  utf8proc_int32_t point = -1;
  const bool whole = utf8proc_iterate(data, static_cast<utf8proc_ssize_t>(there), &point) > 0;
  bytes_.erase(0, there);
  return whole ? std::optional(static_cast<char32_t>(point)) : std::nullopt;
}

void KeyDecoder::flush() {
  literal_escape_ = undecided_;
  undecided_ = false;
}

std::string KeyDecoder::take_paste() { return std::exchange(paste_, ""); }

void KeyDecoder::clear() { *this = KeyDecoder(); }

}  // namespace gptq::cli
