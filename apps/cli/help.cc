// Help pages, and suggestions for misspelled names.
#include "help.h"

#include <fmt/format.h>
#include <unistd.h>
#include <algorithm>
#include <numeric>

#include "option_tree.h"
#include "streams.h"
#include "table.h"

namespace gptq::cli {

namespace {

constexpr size_t kMinWidth = 40, kMaxWidth = 120;      // range of readable page widths
constexpr size_t kHelpColumn = 30, kNarrowColumn = 8;  // where descriptions begin
constexpr size_t kNarrow = 70;                         // below it descriptions stand below their options
constexpr const char* kUsualTitle = "Usual options";   // of "Options" where there are other groups

// Words of a command line; spaces within quotes belong to their word.
std::vector<std::string> words_of(const std::string& text, bool quotes) {
  std::vector<std::string> words(1);
  char quote = 0;
  for (const char c : text) {
    if (quotes && (c == '\'' || c == '"') && (quote == 0 || quote == c)) quote = quote == 0 ? c : 0;
    if (c == ' ' && quote == 0) {
      words.emplace_back();
    } else {
      words.back() += c;
    }
  }
  return words;
}

// Lines of at most `width` columns, all but the first behind `indent` spaces. `broken` ends lines that go on.
std::string fill(const std::vector<std::string>& words, size_t width, size_t first_column, size_t indent,
                 const std::string& broken = "") {
  std::string out, line;
  size_t column = first_column;
  for (const std::string& word : words) {
    if (!line.empty() && column + text_width(line) + 1 + text_width(word) + broken.size() > width) {
      out += line + broken + "\n" + std::string(indent, ' ');
      line.clear();
      column = indent;
    }
    line += (line.empty() ? "" : " ") + word;
  }
  return out + line;
}

std::string wrapped(const std::string& text, size_t width, size_t indent) {
  return fill(words_of(text, false), width, indent, indent);
}

class Page {
 public:
  explicit Page(size_t width) : width_(width), column_(width < kNarrow ? kNarrowColumn : kHelpColumn) {}

  std::string paragraph(const std::string& text) const { return wrapped(text, width_, 0) + "\n"; }

  std::string usage(const std::string& line) const {
    return "Usage: " + fill(words_of(line, false), width_, 7, 11) + "\n";
  }

  std::string entry(const std::string& left, const std::string& right) const {
    std::string text = "  " + left;
    const bool fits = text_width(text) + 2 <= column_;
    text += fits ? std::string(column_ - text_width(text), ' ') : "\n" + std::string(column_, ' ');
    return text + wrapped(right, width_, column_) + "\n";
  }

  std::string footer(const std::string& footer) const {
    std::string text;
    const FooterBlock* before = nullptr;
    const std::vector<FooterBlock> blocks = footer_blocks(footer);
    for (const FooterBlock& block : blocks) {
      if (before != nullptr && before->kind != FooterBlock::Kind::kTitle) text += "\n";
      text += block.kind == FooterBlock::Kind::kLines ? lines(block.lines) : paragraph(block.lines[0]);
      before = &block;
    }
    return text;
  }

 private:
  // Examples and lists, fitted as a whole: " left right" in two columns, or a remark above its command.
  std::string lines(const std::vector<std::string>& all) const {
    const bool fit = std::all_of(all.begin(), all.end(), [&](const auto& line) { return text_width(line) <= width_; });
    std::string text;
    for (const std::string& line : all) text += (fit ? line : squeezed(line)) + "\n";
    return text;
  }

  std::string squeezed(const std::string& line) const {
    const size_t indent = std::min(line.find_first_not_of(' '), line.size());
    const std::string margin(indent, ' ');
    const size_t gap = line.find("  ", indent);
    const size_t right = line.find_first_not_of(' ', gap);
    const std::string left = line.substr(indent, gap - indent);
    const bool remark = gap != std::string::npos && right != std::string::npos;
    if (left.find("gptq ") == std::string::npos) {  // a list: what it is, and what that means
      return remark ? line.substr(0, right) + fill(words_of(line.substr(right), false), width_, right, right)
                    : margin + fill(words_of(left, false), width_, indent, indent);
    }
    const std::string command = margin + fill(words_of(left, true), width_, indent, indent + 4, " \\");
    if (!remark) return command;
    return margin + "# " + fill(words_of(line.substr(right), false), width_, indent + 2, indent + 4) + "\n" + command;
  }

  size_t width_, column_;
};

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

// Messages of CLI11 in full sentences: "--seed: At Most 1 required but received 2", "Could not convert:
// --json = maybe".
std::string in_plain_words(const CLI::ParseError& error) {
  const std::string text = error.what();
  if (const size_t end = text.find(": At Most 1 required"); end != std::string::npos) {
    return text.substr(0, end) + " is given more than once";
  }
  const std::string unread = "Could not convert: ";
  return text.starts_with(unread) ? text.substr(unread.size()) + ": invalid value" : text;
}

}  // namespace

std::string help_page(const CLI::App& program) {
  const CLI::App& app = selected(program);
  const Page page(std::clamp(line_width(STDOUT_FILENO), kMinWidth, kMaxWidth));
  std::string text = page.paragraph(app.get_description()) + "\n" + page.usage(usage_line(app));
  if (app.get_parent() == nullptr) {
    text += "\nCommands:\n";
    for (const CLI::App* command : commands_of(app)) {
      text += page.entry(command->get_name(), first_sentence(command->get_description()));
    }
  }
  const std::vector<OptionFacts> facts = all_facts(app);
  std::string arguments;
  for (const OptionFacts& f : facts) {
    if (!f.argument.empty()) arguments += page.entry(f.argument, f.text);
  }
  if (!arguments.empty()) text += "\nArguments:\n" + arguments;
  const std::vector<std::string> groups = option_groups(facts);
  for (const std::string& group : groups) {
    text += fmt::format("\n{}:\n", groups.size() > 1 && group == groups[0] ? kUsualTitle : group);
    for (const OptionFacts& f : facts) {
      if (f.argument.empty() && f.group == group) text += page.entry(spelling(f), f.text);
    }
  }
  return text + "\n" + page.footer(app.get_footer());
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
    if (extras.empty()) return in_plain_words(error);
    return fmt::format("unexpected argument '{}'; put texts with spaces in quotes", extras.front());
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
