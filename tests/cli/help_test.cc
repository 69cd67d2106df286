// Help pages: width, groups; options in front of the command; completion scripts run in their shells; manual pages.
#include <pty.h>
#include <sstream>

#include <nlohmann/json.hpp>

#include "core/json.h"
#include "tests/cli/process.h"
#include "tests/cli/settings.h"

namespace gptq::testing {
namespace {

using Json = nlohmann::json;

// The longest line, in characters.
size_t width_of(const std::string& text) {
  size_t widest = 0;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const auto is_first = [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; };
    widest = std::max(widest, static_cast<size_t>(std::count_if(line.begin(), line.end(), is_first)));
  }
  return widest;
}

const std::vector<std::string> kPages = {"quantize", "chat", "generate", "bench", "auth", "config", "pull", "template"};

// The output of a command line of a shell, with its exit code.
struct ShellResult {
  int code;
  std::string out;
};
ShellResult run_shell(const std::string& command) {
  FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  std::string out;
  char chunk[4096];
  for (size_t got; (got = fread(chunk, 1, sizeof chunk, pipe)) > 0;) out.append(chunk, got);
  const int status = pclose(pipe);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, out};
}

bool installed(const std::string& program) { return run_shell("command -v " + program).code == 0; }

TEST(CliHelp, PagesFitTheWidth) {
  for (const int columns : {50, 80, 100}) {
    const Variable width("COLUMNS", std::to_string(columns));
    for (const std::string& command : kPages) {
      const Outcome help = gptq({command, "--help"});
      // Nothing can be done about one long word.
      EXPECT_LE(width_of(help.out), static_cast<size_t>(columns == 50 ? 64 : columns)) << help.out;
    }
    EXPECT_LE(width_of(gptq({"--help"}).out), static_cast<size_t>(columns == 50 ? 64 : columns));
  }
  const Variable none("COLUMNS", "");
  EXPECT_LE(width_of(gptq({"quantize", "--help"}).out), 80u) << "80 where there is no terminal";
  EXPECT_GT(width_of(gptq({"quantize", "--help"}).out), 70u);
  const Variable nonsense("COLUMNS", "-3");
  EXPECT_EQ(gptq({"inspect", "--help"}).code, 0);
}

TEST(CliHelp, TheTerminalSaysHowWideItIs) {
  const Variable none("COLUMNS", "");
  const winsize size = {30, 110, 0, 0};
  int terminal = -1;
  const pid_t pid = forkpty(&terminal, nullptr, nullptr, &size);
  if (pid == 0) {
    unsetenv("COLUMNS");
    execl(GPTQ_BINARY, "gptq", "quantize", "--help", nullptr);
    _exit(127);
  }
  std::string out;
  char chunk[4096];
  for (ssize_t got; (got = read(terminal, chunk, sizeof chunk)) > 0;) out.append(chunk, static_cast<size_t>(got));
  waitpid(pid, nullptr, 0);
  close(terminal);
  EXPECT_GT(width_of(out), 90u);
  EXPECT_LE(width_of(out), 111u) << "with the carriage return";
}

TEST(CliHelp, ExamplesStayCommandsWhenTheyAreWrapped) {
  const Variable width("COLUMNS", "60");
  const std::string help = gptq({"quantize", "--help"}).out;
  EXPECT_TRUE(has(help, " \\\n      ")) << help;
  EXPECT_TRUE(has(help, "  # continue after Ctrl-C or a crash\n  gptq quantize mistral-7b")) << help;
}

TEST(CliHelp, OptionsStandInGroups) {
  const std::string help = gptq({"quantize", "--help"}).out;
  const size_t usual = help.find("Usual options:"), quality = help.find("Quality options:"),
               expert = help.find("Expert options:"), examples = help.find("Examples:");
  ASSERT_TRUE(usual < quality && quality < expert && expert < examples && examples < help.size()) << help;
  const auto group_of = [&](const std::string& option) {
    const size_t at = help.find("\n  " + option);
    EXPECT_NE(at, std::string::npos) << option;
    return at < quality ? "usual" : at < expert ? "quality" : "expert";
  };
  for (const char* option : {"-o, --output", "--bits", "--calibration", "--device", "--dry-run", "--json"})
    EXPECT_STREQ(group_of(option), "usual") << option;
  for (const char* option : {"--samples", "--rule", "--gptaq"}) EXPECT_STREQ(group_of(option), "quality") << option;
  for (const char* option : {"--damp", "--threads", "--clip"}) EXPECT_STREQ(group_of(option), "expert") << option;
  EXPECT_FALSE(has(help, "(default: --sym) (default"));
  for (const char* command : {"generate", "bench"}) EXPECT_TRUE(has(gptq({command, "--help"}).out, "Expert options:"));
  EXPECT_TRUE(has(gptq({"version", "--help"}).out, "\nOptions:\n")) << "one group needs no other name";
  EXPECT_TRUE(has(gptq({"generate", "--help"}).out, "Usage: gptq generate MODEL [PROMPT] [options]"));
}

TEST(CliUsage, CommonOptionsMayStandInFront) {
  const Outcome behind = gptq({"inspect", kDemo, "--json"});
  EXPECT_EQ(gptq({"--json", "inspect", kDemo}).out, behind.out);
  EXPECT_EQ(gptq({"-q", "--json", "inspect", kDemo}).out, behind.out);
  EXPECT_EQ(gptq({"-q", "generate", kDemo, "It was", "-n", "2"}).err, "");
  EXPECT_TRUE(has(gptq({"-v", "generate", kDemo, "It was", "-n", "2"}).err, "answer: 2 tokens"));
  const Outcome unknown = gptq({"--json", "inspekt", kDemo});
  EXPECT_EQ(unknown.code, 2);
  EXPECT_TRUE(has(unknown.err, "did you mean inspect?")) << unknown.err;
  EXPECT_EQ(gptq({"--json"}).code, 2);
  EXPECT_EQ(gptq({"--json", "--version"}).out, gptq({"--version"}).out);
}

class Completion : public ::testing::Test {
 protected:
  std::string script(const std::string& name) {
    const Outcome outcome = gptq({"completion", name});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    write_whole(scratch_ / name, outcome.out);
    return scratch_ / name;
  }

  // What bash offers for the last of the words, in one line.
  std::string bash(const std::string& words) {
    write_whole(scratch_ / "try", ". " + script("bash") + "\ncd " + kDemo + "\nCOMP_WORDS=(" + words +
                                      ")\nCOMP_CWORD=$((${#COMP_WORDS[@]} - 1))\n_gptq\necho \"${COMPREPLY[*]}\"\n");
    return run_shell("bash --norc " + (scratch_ / "try")).out;
  }

  Scratch scratch_;
};

TEST_F(Completion, BashReallyCompletes) {
  EXPECT_EQ(bash("gptq qu"), "quantize\n");
  EXPECT_EQ(bash("gptq --js"), "--json\n");
  EXPECT_EQ(bash("gptq quantize --gro"), "--group-size\n");
  EXPECT_EQ(bash("gptq --json quantize --gro"), "--group-size\n");
  EXPECT_EQ(bash("gptq quantize --bits ''"), "2 3 4 8\n");
  EXPECT_EQ(bash("gptq quantize --bits ="), "2 3 4 8\n");
  EXPECT_EQ(bash("gptq quantize --clip = he"), "hessian\n");
  EXPECT_EQ(bash("gptq chat --device c"), "cpu cuda\n");
  EXPECT_EQ(bash("gptq cache ''"), "ls rm verify\n");
  EXPECT_EQ(bash("gptq auth --token x lo"), "login logout\n") << "the value of an option is no argument";
  EXPECT_EQ(bash("gptq cache --json ''"), "ls rm verify\n") << "a flag has no value";
  EXPECT_EQ(bash("gptq generate . --file con"), "config.json\n");
  EXPECT_EQ(bash("gptq generate . --prompt con"), "\n") << "a text";
  EXPECT_EQ(bash("gptq inspect /et"), "/etc\n");
  EXPECT_EQ(bash("gptq generate . con"), "\n") << "the second argument is a text";
}

TEST_F(Completion, EveryOptionOfEveryCommandIsThere) {
  for (const std::string& command : kPages) {
    std::istringstream help(gptq({command, "--help"}).out);
    const std::string offered = " " + bash("gptq " + command + " --") + " ";
    for (std::string line; std::getline(help, line);) {
      const size_t at = line.find("--");
      if (!line.starts_with("  -") || at == std::string::npos) continue;
      const std::string name = line.substr(at, line.find_first_of(" \n", at) - at);
      EXPECT_TRUE(has(offered, name)) << command << " " << name << " is not in " << offered;
    }
  }
}

TEST_F(Completion, ZshAndFishUnderstandTheirs) {
  const std::string zsh = script("zsh"), fish = script("fish");
  EXPECT_TRUE(has(read_whole(zsh), "#compdef gptq\n"));
  EXPECT_TRUE(has(read_whole(fish), "complete -c gptq -n '__fish_seen_subcommand_from quantize' -l bits"));
  if (installed("zsh")) {
    const ShellResult loaded =
        run_shell("zsh -f -c 'autoload -U compinit && compinit -u -D && . " + zsh + " && print $_comps[gptq]'");
    EXPECT_EQ(loaded.out, "_gptq\n");
  }
  if (installed("fish")) {
    const auto ask = [&](const std::string& line) {
      return run_shell("HOME=" + (scratch_ / "home") + " fish -c 'source " + fish + "; complete -C \"" + line + "\"'")
          .out;
    };
    EXPECT_TRUE(ask("gptq qu").starts_with("quantize\t")) << ask("gptq qu");
    EXPECT_TRUE(has(ask("gptq quantize --bits "), "8\t"));
    EXPECT_TRUE(ask("gptq quantize --gro").starts_with("--group-size\t"));
    EXPECT_TRUE(has(ask("gptq cache "), "verify"));
  }
}

TEST_F(Completion, AShellThatIsNotKnown) {
  const Outcome outcome = gptq({"completion", "tcsh"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_TRUE(has(outcome.err, "zsh")) << outcome.err;
}

TEST(CliMan, PagesAreMadeOfTheTree) {
  const Scratch scratch;
  const std::string folder = scratch / "share/man1";
  const Json pages = Json::parse(gptq({"man", folder, "--json"}).out)["pages"];
  EXPECT_GT(pages.size(), 15u);
  for (const Json& page : pages) {
    const std::string text = read_whole(page.get<std::string>());
    for (const char* part : {".TH GPTQ", ".SH NAME\ngptq", ".SH SYNOPSIS\n", ".SH DESCRIPTION\n", ".SH OPTIONS\n",
                             ".SH EXAMPLES\n", ".SH SEE ALSO\n"}) {
      EXPECT_TRUE(has(text, part) || page == folder + "/gptq.1") << page << " lacks " << part;
    }
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) EXPECT_FALSE(line.starts_with("'")) << page << line;
  }
  const std::string quantize = read_whole(folder + "/gptq-quantize.1");
  EXPECT_TRUE(has(quantize, ".SH EXPERT OPTIONS\n"));
  EXPECT_TRUE(has(quantize, "\\fB\\-o, \\-\\-output DIR\\fR"));
  EXPECT_TRUE(has(read_whole(folder + "/gptq.1"), "\\fBgptq\\-quantize\\fR(1)"));
  if (installed("man")) {
    for (const Json& page : pages) {
      const ShellResult shown =
          run_shell("MANWIDTH=80 man --warnings -P cat -l " + page.get<std::string>() + " 2>&1 >/dev/null");
      EXPECT_EQ(shown.out, "") << page;
    }
  }
  if (installed("mandoc")) {
    const ShellResult lint = run_shell("mandoc -T lint -W error " + folder + "/*.1");
    EXPECT_EQ(lint.code, 0) << lint.out;
  }
  write_whole(scratch / "file", "");
  const Outcome refused = gptq({"man", scratch / "file"});
  EXPECT_EQ(refused.code, 1);
  EXPECT_TRUE(has(refused.err, scratch / "file")) << refused.err;
}

}  // namespace
}  // namespace gptq::testing
