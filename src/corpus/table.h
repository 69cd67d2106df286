// CSV and TSV with a header (RFC 4180): rows as objects from column names to text.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "core/json_fwd.h"

namespace gptq::corpus {

// A table's first line is its header: names without spaces, one of them a column that rows are read from ("text",
// "prompt"...), and the second record has as many fields. With `named` the file's name says that it is one.
bool is_table(std::string_view text, bool named);

// Empty fields are null. Throws Error(kVerification) naming file and line for a record with another number of fields
// than the header, and for a quote that is never closed.
void read_table(std::string_view text, const std::string& name,
                const std::function<void(const OrderedJson& row, const std::string& where)>& sink);

}  // namespace gptq::corpus
