// The documents of a text file: the whole text, or its rows if it is JSON or a table.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <gptq/tokenizer.h>

#include "core/json_fwd.h"

namespace gptq::corpus {

struct Row {
  enum class Kind {
    kText,          // text; it may already have been rendered by a chat template
    kConversation,  // messages and tools; without a chat template `text` is used, unless it is empty
    kTokens         // ids
  };
  Kind kind = Kind::kText;
  std::string where;  // "c.jsonl line 3"
  std::string text;
  JsonBox<OrderedJson> messages, tools;  // lists of objects; tools may be null
  std::vector<int64_t> ids;
};

using RowSink = std::function<void(Row& row)>;

// Calls `sink` for every row of valid UTF-8 text. Plain text is one row whose `where` is the name; blank text has no
// rows. Returns the number of rows skipped because their value is null or empty. The extension in the name (.jsonl,
// .csv ...) only improves errors about damaged text. Throws Error(kVerification) naming the file, the line or item, and
// the keys found.
size_t read_rows(std::string_view text, const std::string& name, const RowSink& sink);

// Reads one row of JSON. False when its value is null or empty.
bool read_row(const OrderedJson& json, Row& row);

// Replaces Python's NaN, Infinity and -Infinity by null, and unpaired surrogates by U+FFFD.
std::string standard_json(std::string_view text);

}  // namespace gptq::corpus
