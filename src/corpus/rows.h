// The documents of a text file: the whole of it, or its rows when it is JSON or a table.
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
    kText,          // text, whole: it may have been rendered by a chat template already
    kConversation,  // messages and tools; when there is no chat template, `text` unless it is empty
    kTokens         // ids
  };
  Kind kind = Kind::kText;
  std::string where;  // "c.jsonl line 3"
  std::string text;
  JsonBox<OrderedJson> messages, tools;  // lists of objects; tools may be null
  std::vector<int64_t> ids;
};

using RowSink = std::function<void(Row& row)>;

// Calls `sink` for every row of valid UTF-8 text; a plain text is one row whose `where` is the name, and none when it
// is blank. Returns how many rows were left out because what they hold is null or empty. The name's ending (.jsonl,
// .csv...) only says what damaged text was meant to be. Throws Error(kVerification) naming file, line or item, and
// the keys found.
size_t read_rows(std::string_view text, const std::string& name, const RowSink& sink);

// One row of JSON. False when what it holds is null or empty.
bool read_row(const OrderedJson& json, Row& row);

// Python's NaN, Infinity and -Infinity become null, halves of surrogate pairs U+FFFD; otherwise the text is as it was.
std::string standard_json(std::string_view text);

}  // namespace gptq::corpus
