// Filters for HTML and URLs. Jinja's Markup type, which escapes what is joined to it, does not exist here.
#include <string_view>

#include "chat/jinja/arguments.h"
#include "chat/jinja/filters.h"
#include "chat/jinja/iteration.h"
#include "chat/jinja/operations.h"
#include "chat/jinja/printing.h"
#include "chat/jinja/text_functions.h"
#include "core/ascii.h"

namespace gptq::chat {

namespace {

MarkedText escaped(Runtime& runtime, MarkedText text) {
  static constexpr std::pair<const char*, const char*> kEscapes[] = {
      {"&", "&amp;"}, {">", "&gt;"}, {"<", "&lt;"}, {"'", "&#39;"}, {"\"", "&#34;"}};
  for (const auto& [from, to] : kEscapes) {
    text = replaced(runtime, text, MarkedText{from, ""}, MarkedText{to, ""}, -1);
  }
  return text;
}

Value escape(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const BoundArguments bound(arguments, {}, "escape");
  return runtime.string(escaped(runtime, to_text(runtime, value)));
}

// The identity. This is what authors of chat templates expect, and a documented difference.
Value safe(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const BoundArguments bound(arguments, {}, "safe");
  return value.is_string() ? value : runtime.string(to_text(runtime, value));
}

// Percent-encodes everything but letters, digits, "_.-~" and, outside query strings, the slash.
MarkedText quoted(Runtime& runtime, const MarkedText& text, bool query) {
  static constexpr std::string_view kHex = "0123456789ABCDEF";
  static constexpr std::string_view kPlain = "_.-~";
  runtime.limits.work(text.text.size());
  MarkedText out;
  for (size_t i = 0; i < text.text.size(); ++i) {
    const char c = text.text[i];
    const bool plain = is_ascii_alnum(c) || kPlain.find(c) != std::string_view::npos || (c == '/' && !query);
    const auto byte = static_cast<unsigned char>(c);
    const std::string spelling = plain               ? std::string(1, c)
                                 : query && c == ' ' ? "+"
                                                     : std::string("%") + kHex[byte >> 4] + kHex[byte & 15];
    runtime.append(out, spelling, text.marks.empty() ? '\0' : text.marks[i]);
  }
  return out;
}

Value urlencode(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const BoundArguments bound(arguments, {}, "urlencode");
  if (value.is_string() || !is_iterable(value)) return runtime.string(quoted(runtime, to_text(runtime, value), false));
  MarkedText out;
  const auto put = [&](const Value& key, const Value& item) {
    if (!out.text.empty()) runtime.append(out, "&");
    runtime.append(out, quoted(runtime, to_text(runtime, key), true));
    runtime.append(out, "=");
    runtime.append(out, quoted(runtime, to_text(runtime, item), true));
  };
  if (value.is_dict()) {
    runtime.visit(value.dict().entries.size());
    for (const auto& [key, item] : value.dict().entries) put(key, item);
    return runtime.string(std::move(out));
  }
  for (const Value& pair : iterate(runtime, value)) {
    const std::vector<Value> parts = iterate(runtime, pair);
    if (parts.size() != 2) fail("urlencode expects pairs");
    put(parts[0], parts[1]);
  }
  return runtime.string(std::move(out));
}

Value xmlattr(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const BoundArguments bound(arguments, {"autospace"}, "xmlattr");
  if (!value.is_dict()) fail("xmlattr expects a mapping, not " + type_name(value));
  runtime.visit(value.dict().entries.size());
  MarkedText out;
  for (const auto& [key, item] : value.dict().entries) {
    if (item.is_none() || item.is_undefined()) continue;
    if (key.is_string()) runtime.limits.work(key.text().size());
    if (!key.is_string() || key.text().find_first_of(" \t\n\r\f\v/>=") != std::string::npos) {
      fail("an invalid character in an attribute name");
    }
    if (!out.text.empty() || bound.flag(0, true)) runtime.append(out, " ");
    runtime.append(out, escaped(runtime, key.marked()));
    runtime.append(out, "=\"");
    runtime.append(out, escaped(runtime, to_text(runtime, item)));
    runtime.append(out, "\"");
  }
  return runtime.string(std::move(out));
}

}  // namespace

const std::map<std::string, Native>& markup_filters() {
  static const std::map<std::string, Native> kFilters = {{"escape", escape},       {"e", escape},
                                                         {"forceescape", escape},  {"safe", safe},
                                                         {"urlencode", urlencode}, {"xmlattr", xmlattr}};
  return kFilters;
}

}  // namespace gptq::chat
