// Help texts and the nearest name to a misspelled one.
#include "help.h"

#include <fmt/format.h>
#include <algorithm>
#include <numeric>

#include "table.h"

namespace gptq::cli {

namespace {

constexpr size_t kLineWidth = 100, kHelpColumn = 34;

std::string wrapped(const std::string& text, size_t indent) {
  std::string out, line;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(' ', begin), text.size());
    const std::string word = text.substr(begin, end - begin);
    if (!line.empty() && text_width(line) + 1 + text_width(word) > kLineWidth - indent) {
      out += line + "\n" + std::string(indent, ' ');
      line.clear();
    }
    line += (line.empty() ? "" : " ") + word;
    begin = end + 1;
  }
  return out + line;
}

// " DIR"; CLI11 appends what its checks accept, which the description says already.
std::string value_name(const CLI::Option& option) {
  if (option.get_type_size() == 0) return "";
  const std::string name = option.get_type_name();
  return " " + name.substr(0, name.find(':'));
}

// "-o, --output DIR", "--sym / --asym"
std::string spelling(const CLI::Option& option) {
  std::vector<std::string> names;
  for (const std::string& name : option.get_snames()) names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) names.push_back("--" + name);
  if (names.empty()) return option.get_name(true);
  const bool negatable = !option.get_fnames().empty();
  std::string text = names[0];
  for (size_t i = 1; i < names.size(); ++i) text += (negatable ? " / " : ", ") + names[i];
  return text + value_name(option);
}

std::string entry(const std::string& left, const std::string& right) {
  std::string text = "  " + left;
  const bool fits = text_width(text) + 2 <= kHelpColumn;
  text += fits ? std::string(kHelpColumn - text_width(text), ' ') : "\n" + std::string(kHelpColumn, ' ');
  return text + wrapped(right, kHelpColumn) + "\n";
}

size_t distance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t change = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({change, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

const CLI::App& selected(const CLI::App& program) {
  const auto chosen = program.get_subcommands();
  return chosen.empty() ? program : *chosen.front();
}

}  // namespace

std::string help_page(const CLI::App& program) {
  const CLI::App& app = selected(program);
  const bool top = app.get_parent() == nullptr;
  std::string usage = top ? "gptq COMMAND" : "gptq " + app.get_name(), arguments, options;
  for (const CLI::Option* option : app.get_options()) {
    std::string text = option->get_description();
    const std::string value = option->get_default_str();
    if (option->get_type_size() > 0 && !value.empty() && value != "[]") text += " (default: " + value + ")";
    if (option->get_required()) text += " (required)";
    (option->get_positional() ? arguments : options) += entry(spelling(*option), text);
    if (option->get_positional()) usage += " " + option->get_name(true);
    if (option->get_required() && !option->get_positional())
      usage += " -" + option->get_snames().at(0) + value_name(*option);
  }
  std::string text = wrapped(app.get_description(), 0) + "\n\nUsage: " + usage + " [options]\n";
  if (top) {
    text += "\nCommands:\n";
    for (const CLI::App* command : app.get_subcommands({})) {
      const std::string what = command->get_description();
      text += entry(command->get_name(), what.substr(0, what.find('.')));
    }
  }
  if (!arguments.empty()) text += "\nArguments:\n" + arguments;
  return text + "\nOptions:\n" + options + "\n" + app.get_footer();
}

std::string nearest(const std::string& word, const std::vector<std::string>& candidates) {
  std::string best;
  size_t best_distance = std::max<size_t>(2, word.size() / 3) + 1;
  for (const std::string& candidate : candidates) {
    const bool begins = word.size() >= 4 && candidate.rfind(word, 0) == 0;
    const size_t far = begins ? 1 : distance(word, candidate);
    if (far < best_distance) {
      best = candidate;
      best_distance = far;
    }
  }
  return best;
}

std::string explain(const CLI::App& program, const CLI::ParseError& error) {
  const CLI::App& app = selected(program);
  const std::vector<std::string> extras = program.remaining(true);
  const auto flag = std::find_if(extras.begin(), extras.end(), [](const auto& extra) { return extra[0] == '-'; });
  if (flag == extras.end()) {
    if (extras.empty()) return error.what();
    return fmt::format("'{}' is one argument too many; put texts with spaces into quotes", extras.front());
  }
  const std::string word = flag->substr(0, flag->find('='));
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  const std::string guess = nearest(word, names);
  return fmt::format("unknown option {}{}", word, guess.empty() ? "" : fmt::format("; did you mean {}?", guess));
}

}  // namespace gptq::cli
