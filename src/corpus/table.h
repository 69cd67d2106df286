// CSV and TSV with a header (RFC 4180): rows as objects from column names to text.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "core/json_fwd.h"

namespace gptq::corpus {

// True when the first line is a header, i.e. names without spaces, one of them a column that rows are read from
// ("text", "prompt" ...), and the second record has as many fields. `named`: the file name is that of a table.
bool is_table(std::string_view text, bool named);

// Calls `sink` for every record. Empty fields are null. Throws Error(kVerification) naming the file and line for a
// record with another number of fields than the header, and for an unclosed quote.
void read_table(std::string_view text, const std::string& name,
                const std::function<void(const OrderedJson& row, const std::string& where)>& sink);

}  // namespace gptq::corpus
