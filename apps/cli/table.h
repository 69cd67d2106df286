// Text tables with aligned columns.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace gptq::cli {

size_t text_width(const std::string& text);  // characters, not bytes

class Table {
 public:
  enum class Align { kLeft, kRight };
  struct Column {
    std::string title;
    Align align = Align::kLeft;
  };

  explicit Table(std::vector<Column> columns);  // without any title there is no header line
  void add(std::vector<std::string> cells);
  std::string str() const;  // ends with a newline

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace gptq::cli
