// JSON lines in, JSON lines out.
#pragma once

#include <functional>
#include <string>

#include "output.h"

namespace gptq::cli {

// Prints convert(row) for every line of a file (- for standard input); empty lines are passed over. A row that is not
// JSON, or from which `convert` cannot get its fields, is an Error with the line's number and with `expected`.
void convert_rows(const std::string& path, const std::string& expected,
                  const std::function<Json(const Json& row)>& convert);

}  // namespace gptq::cli
