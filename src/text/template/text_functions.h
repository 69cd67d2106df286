// Python's string functions on marked text: the marks of people's input stay with their bytes.
#pragma once

#include <string>
#include <vector>

#include "text/template/value.h"

namespace gptq::chat {

bool is_python_space(char32_t code);

enum class Side { kBoth, kLeft, kRight };
// Without `characters` white space; else every character of that set.
MarkedText stripped(const MarkedText& text, Side side, const std::string* characters);

// Python's split: without a separator at runs of white space, with one at each; `limit` < 0 means no limit.
std::vector<MarkedText> split(const MarkedText& text, const std::string* separator, int64_t limit, bool from_right);
std::vector<MarkedText> split_lines(const MarkedText& text, bool keep_ends);

MarkedText replaced(Runtime& runtime, const MarkedText& text, const MarkedText& from, const MarkedText& to,
                    int64_t limit);

// Byte offset to character offset, for results that templates see.
int64_t chars_before(const std::string& text, size_t byte);

// format % values, with every conversion that Python has.
MarkedText percent_format(Runtime& runtime, const MarkedText& format, const Value& values);

// Python's "{} {0.a[b]!r:>{width}}" filled in from `arguments`.
MarkedText brace_format(Runtime& runtime, const MarkedText& format, const Arguments& arguments);

}  // namespace gptq::chat
