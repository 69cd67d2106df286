// Python's string functions on marked text: marks stay with their bytes.
#pragma once

#include <functional>
#include <string>

#include "chat/jinja/value.h"

namespace gptq::chat {

bool is_python_space(char32_t code);

enum class Side { kBoth, kLeft, kRight };
// Strips white space at the ends; with `characters`, any character of that set.
MarkedText stripped(const MarkedText& text, Side side);
MarkedText stripped(Runtime& runtime, const MarkedText& text, Side side, const std::string* characters);

// Bytes [begin, end) of a part of a text. A sink charges stored parts to the limits.
using PartSink = std::function<void(size_t begin, size_t end)>;

// Python's split: without a separator at runs of white space, with one at each; `limit` < 0 means no limit. From the
// right, with a limit, the last part comes first.
void split(Runtime& runtime, const MarkedText& text, const std::string* separator, int64_t limit, bool from_right,
           const PartSink& sink);
void split_lines(Runtime& runtime, const MarkedText& text, bool keep_ends, const PartSink& sink);

MarkedText replaced(Runtime& runtime, const MarkedText& text, const MarkedText& from, const MarkedText& to,
                    int64_t limit);

// Byte offset to character offset, for results that templates see.
int64_t chars_before(const std::string& text, size_t byte);

// format % values, with all of Python's conversions.
MarkedText percent_format(Runtime& runtime, const MarkedText& format, const Value& values);

// Python's "{} {0.a[b]!r:>{width}}", filled in from `arguments`.
MarkedText brace_format(Runtime& runtime, const MarkedText& format, const Arguments& arguments);

}  // namespace gptq::chat
