// Text on its way to the model: it carries its marks along and, when they are asked for, the places it came from.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/marked_text.h"
#include "text/normal_form.h"
#include "text/unicode.h"

namespace gptq {

// Bytes [begin, end) of the whole input.
struct Origin {
  uint32_t begin = 0;
  uint32_t end = 0;
};

// `origins` is empty (nobody asked) or has one entry per byte of `text`; the bytes of a character share one.
struct AlignedText : MarkedText {
  size_t start_size = 0;  // this many bytes at the front come from the first character of the whole input
  std::vector<Origin> origins;

  AlignedText() = default;
  // The whole input, valid UTF-8.
  AlignedText(MarkedText input, bool with_origins) : MarkedText(std::move(input)) {
    if (!text.empty()) next_char(text, start_size);
    if (!with_origins) return;
    origins.reserve(text.size());
    for (size_t position = 0; position < text.size();) {
      const auto begin = static_cast<uint32_t>(position);
      next_char(text, position);
      origins.resize(position, {begin, static_cast<uint32_t>(position)});
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

// Rebuilds an AlignedText from left to right. New content is marked when any byte that it replaces was.
class Rewriter {
 public:
  explicit Rewriter(AlignedText& source) : source_(source) { result_.text.reserve(source.text.size()); }

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

  // A match of a pattern, perhaps an empty one, becomes `content`, which belongs to the character before its end.
  void replace(size_t begin, size_t end, std::string_view content) {
    if (end <= source_.start_size) result_.start_size += content.size();
    put_text(begin, end, content);
    if (source_.origins.empty()) return;
    const Origin start{source_.origins[0].begin, source_.origins[0].begin};
    result_.origins.resize(result_.text.size(), end == 0 ? start : source_.origins[end - 1]);
  }

  // A stretch of text becomes other characters that say how they came about.
  void change(size_t begin, size_t end, const std::vector<ChangedChar>& chars) {
    std::string content;
    for (const ChangedChar& c : chars) append_utf8(content, c.code);
    put_text(begin, end, content);
    size_t source = begin;
    std::string spelled;
    for (const ChangedChar& c : chars) {
      const size_t from = c.change > 0 ? source - std::min<size_t>(source, 1) : source;
      spelled.clear();
      append_utf8(spelled, c.code);
      if (from < source_.start_size) result_.start_size += spelled.size();
      if (!source_.origins.empty()) {
        const Origin origin = source_.origins[std::min(from, source_.origins.size() - 1)];
        result_.origins.resize(result_.origins.size() + spelled.size(), origin);
      }
      for (int used = c.change; used <= 0 && source < end; ++used) next_char(source_.text, source);
    }
  }

  void finish() { source_ = std::move(result_); }

 private:
  void put_text(size_t begin, size_t end, std::string_view content) {
    result_.text.append(content);
    if (source_.marks.empty()) return;
    if (content.size() == end - begin)
      result_.marks.append(source_.marks, begin, end - begin);
    else
      result_.marks.append(content.size(), source_.any_marked(begin, end) ? '\1' : '\0');
  }

  AlignedText& source_;
  AlignedText result_;
};

}  // namespace gptq
