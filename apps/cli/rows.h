// JSON lines as input and output.
#pragma once

#include <functional>
#include <string>

#include "output.h"

namespace gptq::cli {

// Calls use(row, "line 3 of FILE") for every line of a file (- for standard input); empty lines are skipped. A row that
// is not JSON, or lacks the fields that `use` reads, is an Error with its position and `expected`.
void for_each_row(const std::string& path, const std::string& expected,
                  const std::function<void(const Json& row, const std::string& place)>& use);

// Prints convert(row) for every row.
void convert_rows(const std::string& path, const std::string& expected,
                  const std::function<Json(const Json& row)>& convert);

}  // namespace gptq::cli
