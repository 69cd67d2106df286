// Text inside the pipeline, with its marks and, on request, the offsets of its origin.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/components/text_budget.h"
#include "unicode/characters.h"
#include "unicode/marked_text.h"
#include "unicode/normal_form.h"

namespace gptq::tokenizer {

using unicode::MarkedText;

// Origin of a byte in the input: the character that begins at byte(), or, if there is none, the empty range before it.
// The input has less than 2^31 bytes.
class Origin {
 public:
  Origin() = default;
  static Origin at(size_t byte) { return Origin(static_cast<uint32_t>(byte)); }
  static Origin before(size_t byte) { return Origin(static_cast<uint32_t>(byte) | kEmpty); }
  size_t byte() const { return bits_ & ~kEmpty; }
  bool empty() const { return (bits_ & kEmpty) != 0; }

 private:
  static constexpr uint32_t kEmpty = uint32_t{1} << 31;
  explicit Origin(uint32_t bits) : bits_(bits) {}
  uint32_t bits_ = 0;
};

// `origins` is empty (not requested) or has one entry per byte of `text`; the bytes of a character share one.
struct AlignedText : MarkedText {
  size_t start_size = 0;  // number of leading bytes that come from the first character of the input
  std::vector<Origin> origins;

  AlignedText() = default;
  // The whole input, valid UTF-8.
  AlignedText(MarkedText input, bool with_origins) : MarkedText(std::move(input)) {
    if (!text.empty()) next_char(text, start_size);
    if (!with_origins) return;
    origins.reserve(text.size());
    for (size_t position = 0; position < text.size();) {
      const Origin origin = Origin::at(position);
      next_char(text, position);
      origins.resize(position, origin);
    }
  }

  AlignedText substr(size_t begin, size_t size) const {
    AlignedText part;
    static_cast<MarkedText&>(part) = MarkedText::substr(begin, size);
    part.start_size = start_size > begin ? std::min(start_size - begin, size) : 0;
    if (!origins.empty()) {
      const auto first = origins.begin() + static_cast<std::ptrdiff_t>(begin);
      part.origins.assign(first, first + static_cast<std::ptrdiff_t>(size));
    }
    return part;
  }
};

// Rebuilds an AlignedText from left to right, within a budget. New content is marked if any byte it
// replaces was marked.
class Rewriter {
 public:
  Rewriter(AlignedText& source, TextBudget& budget) : source_(source), budget_(budget) {
    result_.text.reserve(source.text.size());
    result_.origins.reserve(source.origins.size());
  }

  void keep(size_t begin, size_t end) {
    if (begin < source_.start_size) result_.start_size += std::min(end, source_.start_size) - begin;
    put_text(begin, end, std::string_view(source_.text).substr(begin, end - begin));
    if (source_.origins.empty()) return;
    result_.origins.insert(result_.origins.end(), source_.origins.begin() + static_cast<std::ptrdiff_t>(begin),
                           source_.origins.begin() + static_cast<std::ptrdiff_t>(end));
  }

  // One character becomes `content`, which may be empty.
  void map(size_t begin, size_t end, std::string_view content) {
    if (begin < source_.start_size) result_.start_size += content.size();
    put_text(begin, end, content);
    if (!source_.origins.empty()) result_.origins.resize(result_.text.size(), source_.origins[begin]);
  }

  // Replaces a match of a pattern, which may be empty, by `content`, which is attributed to the character
  // before its end.
  void replace(size_t begin, size_t end, std::string_view content) {
    if (end <= source_.start_size) result_.start_size += content.size();
    put_text(begin, end, content);
    if (source_.origins.empty()) return;
    const Origin start = Origin::before(source_.origins[0].byte());
    result_.origins.resize(result_.text.size(), end == 0 ? start : source_.origins[end - 1]);
  }

  // Replaces a segment of text by other characters with their changes.
  void change(size_t begin, size_t end, const std::vector<unicode::ChangedChar>& chars) {
    size_t from = begin, to = begin;  // bytes that the last character replaced
    const size_t written = result_.text.size();
    for (const unicode::ChangedChar& c : chars) {
      const size_t before = result_.text.size();
      append_utf8(result_.text, c.code);
      const size_t size = result_.text.size() - before;
      if (c.change <= 0) from = to;
      for (int used = c.change; used <= 0 && to < end; ++used) next_char(source_.text, to);
      // An added character is attributed to the one before the current position.
      const size_t source = c.change <= 0 ? from : to - std::min<size_t>(to, 1);
      if (source < source_.start_size) result_.start_size += size;
      if (!source_.origins.empty()) {
        result_.origins.resize(before + size, source_.origins[std::min(source, source_.origins.size() - 1)]);
      }
      if (!source_.marks.empty()) result_.marks.append(size, source_.any_marked(from, to) ? '\1' : '\0');
    }
    budget_.rewrite(end - begin, result_.text.size() - written);
  }

  void finish() { source_ = std::move(result_); }

 private:
  void put_text(size_t begin, size_t end, std::string_view content) {
    budget_.rewrite(end - begin, content.size());
    result_.text.append(content);
    if (source_.marks.empty()) return;
    if (content.size() == end - begin)
      result_.marks.append(source_.marks, begin, end - begin);
    else
      result_.marks.append(content.size(), source_.any_marked(begin, end) ? '\1' : '\0');
  }

  AlignedText& source_;
  TextBudget& budget_;
  AlignedText result_;
};

}  // namespace gptq::tokenizer
