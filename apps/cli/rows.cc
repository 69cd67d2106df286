// JSON lines as input and output.
#include "rows.h"

#include <fmt/format.h>
#include <sstream>

#include <gptq/gptq.h>

#include "input.h"

namespace gptq::cli {

void for_each_row(const std::string& path, const std::string& expected,
                  const std::function<void(const Json& row, const std::string& place)>& use) {
  std::istringstream rows(read_text(path));
  std::string line;
  for (int number = 1; std::getline(rows, line); ++number) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    const std::string place = fmt::format("line {} of {}", number, path == "-" ? "standard input" : path);
    try {
      use(Json::parse(line), place);
    } catch (const Json::exception&) {
      throw Error(ErrorKind::kVerification, fmt::format("{} is not an object with {}", place, expected));
    } catch (const Error& error) {
      throw Error(error.kind(), fmt::format("{}: {}", place, error.what()));
    }
  }
}

void convert_rows(const std::string& path, const std::string& expected,
                  const std::function<Json(const Json& row)>& convert) {
  for_each_row(path, expected, [&](const Json& row, const std::string&) { put(to_text(convert(row), -1) + "\n"); });
}

}  // namespace gptq::cli
