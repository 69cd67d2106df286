// Text with a mark for each byte that comes from a message of a conversation.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gptq::unicode {

// `marks` is empty (no byte is marked) or has one byte per byte of `text`: 1 for marked, 0 for not.
struct MarkedText {
  std::string text;
  std::string marks;

  bool any_marked(size_t begin, size_t end) const {
    return !marks.empty() && std::find(marks.begin() + static_cast<std::ptrdiff_t>(begin),
                                       marks.begin() + static_cast<std::ptrdiff_t>(end),
                                       '\1') != marks.begin() + static_cast<std::ptrdiff_t>(end);
  }

  void append(std::string_view more, char mark) {
    if (mark != 0 || !marks.empty()) {
      marks.resize(text.size(), '\0');
      marks.append(more.size(), mark);
    }
    text.append(more);
  }

  void append(const MarkedText& more) {
    if (!more.marks.empty() || !marks.empty()) {
      marks.resize(text.size(), '\0');
      if (more.marks.empty())
        marks.append(more.text.size(), '\0');
      else
        marks.append(more.marks);
    }
    text.append(more.text);
  }

  MarkedText substr(size_t begin, size_t size) const {
    return {text.substr(begin, size), marks.empty() ? std::string() : marks.substr(begin, size)};
  }

  // [begin, end) of every run of marked bytes, in order.
  std::vector<std::pair<size_t, size_t>> ranges() const {
    std::vector<std::pair<size_t, size_t>> runs;
    for (size_t i = 0; i < marks.size(); ++i) {
      if (marks[i] == 0) continue;
      if (!runs.empty() && runs.back().second == i)
        ++runs.back().second;
      else
        runs.push_back({i, i + 1});
    }
    return runs;
  }
};

}  // namespace gptq::unicode
