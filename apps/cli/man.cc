// gptq man: manual pages, generated from the option tree.
#include <fmt/format.h>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>

#include <gptq/gptq.h>

#include "commands.h"
#include "option_tree.h"
#include "output.h"

namespace gptq::cli {

namespace {

namespace fs = std::filesystem;

constexpr const char* kManFooter =
    R"(Writes gptq.1 and gptq-COMMAND.1 for each command. The package contains them in share/man/man1.

Examples:
  gptq man ~/.local/share/man/man1 && man gptq-quantize
)";

// Text as roff prints it as it is: hyphens that can be copied, no escapes, no requests at the beginning of a line.
std::string roff(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else if (c == '\'') {
      out += "\\(aq";
    } else {
      out += c;
    }
  }
  return out.starts_with('.') ? "\\&" + out : out;
}

std::string upper(std::string text) {
  for (char& c : text) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return text;
}

std::string page_name(const CLI::App& app) { return app.get_parent() == nullptr ? "gptq" : "gptq-" + app.get_name(); }

std::string tagged(const std::string& tag, const std::string& text) {
  return fmt::format(".TP\n\\fB{}\\fR\n{}\n", roff(tag), roff(text));
}

std::string options_text(const std::vector<OptionFacts>& facts) {
  std::string text, arguments;
  for (const OptionFacts& f : facts) {
    if (!f.argument.empty()) arguments += tagged(f.argument, f.text);
  }
  if (!arguments.empty()) text += ".SH ARGUMENTS\n" + arguments;
  for (const std::string& group : option_groups(facts)) {
    text += fmt::format(".SH {}\n", upper(group));
    for (const OptionFacts& f : facts) {
      if (f.argument.empty() && f.group == group) text += tagged(spelling(f), f.text);
    }
  }
  return text;
}

// Titles become sections; lines stay as they are.
std::string footer_text(const std::string& footer) {
  std::string text;
  bool in_section = false, below_title = false;
  for (const FooterBlock& block : footer_blocks(footer)) {
    if (block.kind == FooterBlock::Kind::kTitle) {
      text += fmt::format(".SH {}\n", upper(roff(block.lines[0].substr(0, block.lines[0].size() - 1))));
      in_section = below_title = true;
      continue;
    }
    if (!in_section) {
      text += ".SH NOTES\n";
    } else if (!below_title) {
      text += ".PP\n";
    }
    in_section = true;
    below_title = false;
    if (block.kind == FooterBlock::Kind::kParagraph) {
      text += roff(block.lines[0]) + "\n";
      continue;
    }
    text += ".nf\n";
    for (const std::string& line : block.lines) text += roff(line) + "\n";
    text += ".fi\n";
  }
  return text;
}

std::string manual_page(const CLI::App& app) {
  const bool top = app.get_parent() == nullptr;
  const std::string name = page_name(app);
  std::string text = fmt::format(
      ".\\\" Made by `gptq man`.\n.TH {} 1 \"\" \"gptq {}\" \"gptq\"\n.SH NAME\n{} \\- {}\n.SH SYNOPSIS\n\\fB{}\\fR\n"
      ".SH DESCRIPTION\n{}\n",
      upper(roff(name)), version(), roff(name), roff(first_sentence(app.get_description())), roff(usage_line(app)),
      roff(app.get_description()));
  std::string see_also = "\\fBgptq\\fR(1)";
  if (top) {
    text += ".SH COMMANDS\n";
    see_also.clear();
    for (const CLI::App* command : commands_of(app)) {
      text += tagged(command->get_name(), first_sentence(command->get_description()));
      see_also += fmt::format("{}\\fB{}\\fR(1)", see_also.empty() ? "" : ",\n", roff(page_name(*command)));
    }
  }
  return text + options_text(all_facts(app)) + footer_text(app.get_footer()) + ".SH SEE ALSO\n" + see_also + "\n";
}

void write_page(const fs::path& path, const std::string& text) {
  std::ofstream out(path, std::ios::binary);
  out << text;
  out.close();
  if (!out) {
    throw Error(ErrorKind::kGeneral,
                fmt::format("cannot write the manual page {}: {}", path.string(), std::strerror(errno)));
  }
}

int run_man_command(const CLI::App& program, const fs::path& folder, const CommonOptions& common) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) {
    throw Error(ErrorKind::kGeneral,
                fmt::format("cannot create the folder {} for manual pages: {}", folder.string(), error.message()));
  }
  std::vector<const CLI::App*> apps = commands_of(program);
  apps.insert(apps.begin(), &program);
  std::vector<std::string> paths;
  for (const CLI::App* app : apps) {
    const fs::path path = folder / (page_name(*app) + ".1");
    write_page(path, manual_page(*app));
    paths.push_back(path.string());
  }
  if (common.json) {
    put_json({{"pages", paths}});
  } else if (!common.quiet) {
    put(fmt::format("{} pages in {}\n", paths.size(), folder.string()));
  }
  return 0;
}

}  // namespace

Action add_man(CLI::App& app, const CommonOptions& common) {
  const auto folder = std::make_shared<std::string>();
  app.add_option("DIR", *folder, "Folder to write into, created if missing")->required()->type_name("DIR");
  app.footer(kManFooter);
  return [folder, &app, &common] { return run_man_command(*app.get_parent(), *folder, common); };
}

}  // namespace gptq::cli
