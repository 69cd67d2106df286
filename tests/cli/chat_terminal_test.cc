// gptq chat on a terminal: keys, history, pastes, completion, Ctrl-C, colours, line width.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>

#include "core/json.h"
#include "tests/cli/terminal.h"

namespace gptq::testing {
namespace {

using Json = nlohmann::json;

class ChatTerminal : public ::testing::Test {
 protected:
  std::vector<std::string> chat(const std::vector<std::string>& options = {}) const {
    std::vector<std::string> arguments = {"chat", kDemo, "-q", "--device", "cpu"};
    if (options.empty()) arguments.insert(arguments.end(), {"-n", "4"});
    arguments.insert(arguments.end(), options.begin(), options.end());
    return arguments;
  }

  Variables variables(const Variables& more = {}) const {
    Variables all = {{"XDG_STATE_HOME", scratch_ / "state"}};
    all.insert(more.begin(), more.end());
    return all;
  }

  // The questions so far.
  std::vector<std::string> questions(Terminal& terminal) const {
    const std::string file = scratch_ / "talk.json";
    fs::remove(file);
    const std::string said = terminal.enter("/save " + file);
    EXPECT_TRUE(has(said, "saved ")) << said;
    std::vector<std::string> texts;
    for (const Json& message : Json::parse(read_whole(file), nullptr, false)) {
      if (message.is_object() && message["role"] == "user") texts.push_back(message["content"]);
    }
    return texts;
  }

  std::string history() const { return scratch_ / "state/gptq/chat_history"; }

  using Texts = std::vector<std::string>;
  const Scratch scratch_;
};

TEST_F(ChatTerminal, LinesAreEdited) {
  Terminal terminal(chat(), variables());
  ASSERT_TRUE(terminal.prompt());
  terminal.enter("helo\033[Dl\001X\005Y word\027end");  // Left, Ctrl-A, Ctrl-E, Ctrl-W
  terminal.enter("tschüß\033OD\177u\033[H\033[3~T\033[F日本");
  EXPECT_EQ(questions(terminal), (Texts{"XhelloY end", "Tschuß日本"}));
  terminal.type("\004");
  EXPECT_EQ(terminal.finish(), 0);
}

TEST_F(ChatTerminal, ThePastIsThereInTheNextRun) {
  {
    Terminal terminal(chat(), variables());
    ASSERT_TRUE(terminal.prompt());
    terminal.enter("first words");
    terminal.enter("second words");
    terminal.type("unfinished\033[A\033[A\033[B\033[B");
    terminal.enter("!");
    EXPECT_EQ(questions(terminal), (Texts{"first words", "second words", "unfinished!"}));
    terminal.enter("\"\"\"two\rlines\"\"\"");
    terminal.type("/bye\r");
    EXPECT_EQ(terminal.finish(), 0);
  }
  EXPECT_EQ(fs::status(history()).permissions(), fs::perms::owner_read | fs::perms::owner_write);
  Terminal terminal(chat(), variables());
  ASSERT_TRUE(terminal.prompt());
  terminal.enter("\033[A\033[A");
  terminal.enter("\022first");  // Ctrl-R
  EXPECT_EQ(questions(terminal), (Texts{"two\nlines", "first words"}));
  terminal.type("\004");
  EXPECT_EQ(terminal.finish(), 0);
}

TEST_F(ChatTerminal, TheHistoryIsBoundedAndOptional) {
  fs::create_directories(fs::path(history()).parent_path());
  std::string lines = "not JSON\n";
  for (int i = 0; i < 1500; ++i) lines += Json("entry " + std::to_string(i)).dump() + "\n";
  write_whole(history(), lines + Json("hostile\033[2J\u009b entry").dump() + "\n");
  {
    Terminal terminal(chat({"-n", "4", "--no-history"}), variables());
    ASSERT_TRUE(terminal.prompt());
    terminal.enter("\033[Asecret");
    EXPECT_EQ(questions(terminal), Texts{"secret"});
    terminal.type("\004");
    EXPECT_EQ(terminal.finish(), 0);
  }
  EXPECT_FALSE(has(read_whole(history()), "secret"));
  EXPECT_TRUE(has(read_whole(history()), "entry 0\"")) << "nor is it changed";
  Terminal terminal(chat(), variables());
  ASSERT_TRUE(terminal.prompt());
  terminal.enter("\033[A");
  EXPECT_EQ(questions(terminal), Texts{"hostile?[2J? entry"}) << "on the screen, too, as the line that was edited";
  const std::string kept = read_whole(history());
  EXPECT_LE(std::count(kept.begin(), kept.end(), '\n'), 1002);
  EXPECT_TRUE(has(kept, "entry 1499") && !has(kept, "entry 400\"")) << kept.substr(0, 100);
}

TEST_F(ChatTerminal, WithoutAPlaceForTheHistoryItGoesOn) {
  write_whole(scratch_ / "state", "a file");
  Terminal terminal(chat(), variables());
  ASSERT_TRUE(terminal.prompt());
  EXPECT_TRUE(has(terminal.enter("Hi"), "the history is not saved"));
  EXPECT_FALSE(has(terminal.enter("Hi"), "the history is not saved")) << "once only";
  EXPECT_EQ(questions(terminal), (Texts{"Hi", "Hi"}));
}

TEST_F(ChatTerminal, APasteIsOneMessage) {
  Terminal terminal(chat(), variables());
  ASSERT_TRUE(terminal.wait_for(kPasteOn));
  ASSERT_TRUE(terminal.prompt());
  terminal.type("see: \033[200~one\r\n/two\033[31m\rthree\r\033[201~");
  ASSERT_TRUE(terminal.wait_for("three"));
  terminal.type("!\r");
  ASSERT_TRUE(terminal.wait_for(kPasteOff)) << "while the model answers, a paste is not ours";
  ASSERT_TRUE(terminal.prompt());
  std::string lines;
  for (int i = 0; i < 20; ++i) lines += "line " + std::to_string(i) + "\r";
  EXPECT_TRUE(has(terminal.enter("\033[200~" + lines + "\033[201~ end"), "[text 1: 20 lines] end"));
  EXPECT_TRUE(has(terminal.enter("\022\033[200~/bye\rx\033[201~"), "x")) << "also within a search";
  terminal.enter("\033[A\033[A");
  std::replace(lines.begin(), lines.end(), '\r', '\n');
  lines.pop_back();
  EXPECT_EQ(questions(terminal), (Texts{"see: one\n/two?[31m\nthree!", lines + " end", "/bye\nx", lines + " end"}));
}

TEST_F(ChatTerminal, LongLinesSurviveTheHistory) {
  Terminal terminal(chat(), variables());
  ASSERT_TRUE(terminal.prompt());
  terminal.enter("before");
  std::string line;
  for (int i = 0; i < 240; ++i) line += " word";
  terminal.enter(line + "\033[A\033[B" + " end");
  EXPECT_EQ(questions(terminal), (Texts{"before", line + " end"}));
}

TEST_F(ChatTerminal, TabCompletes) {
  const std::string folder = scratch_ / "files";
  fs::create_directories(folder + "/unique folder");
  write_whole(folder + "/unique folder/talk.json", R"([{"role": "user", "content": "loaded"}])");
  write_whole(folder + "/other", "");
  write_whole(folder + "/ugly\033]0;x", "");
  Terminal terminal(chat(), variables());
  ASSERT_TRUE(terminal.prompt());
  EXPECT_TRUE(has(terminal.enter("/sho\t"), "of 512 tokens"));
  EXPECT_TRUE(has(terminal.enter("/set temp\t0.25"), "temperature is 0.25"));
  EXPECT_TRUE(has(terminal.enter("/load " + folder + "/uni\tt\t"), "1 message,"));
  EXPECT_EQ(questions(terminal), Texts{"loaded"});
  terminal.type("/s\t");
  ASSERT_TRUE(terminal.wait_for("/save"));
  ASSERT_TRUE(terminal.wait_for("/show"));
  terminal.type("\025/file " + folder + "/\t");
  ASSERT_TRUE(terminal.wait_for("other"));
  ASSERT_TRUE(terminal.wait_for("unique folder"));
  EXPECT_FALSE(has(terminal.screen(), "ugly")) << "names that would steer the terminal are not offered";
  terminal.enter("\025/clear");
  terminal.enter("no\tcommand");
  EXPECT_EQ(questions(terminal).back(), "nocommand") << "in a question it does nothing";
}

TEST_F(ChatTerminal, CtrlCStopsTheAnswerOnly) {
  Terminal terminal(chat({"-n", "2000", "--ignore-eos", "--temperature", "1"}), variables());
  ASSERT_TRUE(terminal.prompt());
  terminal.type("A long story\r");
  ASSERT_TRUE(terminal.wait_for(kPasteOff));
  std::string text;
  while (text.find_first_not_of("\r\n") == std::string::npos && terminal.wait_for("\n", &text)) {
  }
  terminal.type("\003");  // as a key
  ASSERT_TRUE(terminal.prompt());
  const std::string file = scratch_ / "stopped.json";
  terminal.enter("/save " + file);
  const Json talk = Json::parse(read_whole(file), nullptr, false);
  ASSERT_EQ(talk.size(), 2u);
  const std::string begun = talk[1]["content"].get<std::string>();
  EXPECT_GT(begun.size(), 20u) << "what there was of it stays";
  EXPECT_EQ(begun.substr(0, 5), text.substr(0, 5));
  EXPECT_TRUE(has(terminal.enter("/show"), "2 messages"));
  terminal.type("junk\003");
  ASSERT_TRUE(terminal.wait_for("Ctrl-C again"));
  ASSERT_TRUE(terminal.prompt());
  EXPECT_TRUE(has(terminal.enter("/show"), "2 messages")) << "the line was cleared, and nothing left";
  terminal.type("\003");
  ASSERT_TRUE(terminal.wait_for("Ctrl-C again"));
  ASSERT_TRUE(terminal.prompt());
  terminal.type("\003");
  EXPECT_EQ(terminal.finish(), 0) << "twice leaves";
}

TEST_F(ChatTerminal, TheTerminalComesBack) {
  for (const int number : {0, SIGTERM, SIGHUP, SIGQUIT, SIGINT}) {
    Terminal terminal(chat(), variables());
    ASSERT_TRUE(terminal.prompt());
    terminal.type("some text");
    ASSERT_TRUE(terminal.wait_for("text"));
    EXPECT_FALSE(terminal.cooked());
    if (number == 0) {
      terminal.type("\025\004");
    } else {
      terminal.send(number);
    }
    ASSERT_TRUE(terminal.wait_for(kPasteOff));
    if (number == SIGINT) {
      ASSERT_TRUE(terminal.prompt());
      terminal.send(number);
    }
    EXPECT_EQ(terminal.finish(), number == 0 || number == SIGINT ? 0 : 130) << number;
    if (number != 0 && number != SIGINT) {
      EXPECT_TRUE(has(terminal.screen(), "\ngptq: interrupted")) << "on a line of its own";
    }
    EXPECT_GT(terminal.screen().rfind(kPasteOff), terminal.screen().rfind(kPasteOn));
    EXPECT_TRUE(terminal.cooked()) << number;
  }
}

TEST_F(ChatTerminal, KeysTypedDuringAnAnswerWait) {
  Terminal terminal(chat({"-n", "300", "--ignore-eos", "--temperature", "1"}), variables());
  ASSERT_TRUE(terminal.prompt());
  terminal.type("A long story\r");
  ASSERT_TRUE(terminal.wait_for(kPasteOff));
  ASSERT_TRUE(terminal.wait_for(" a"));
  terminal.type("qqqq");
  std::string answer;
  ASSERT_TRUE(terminal.wait_for("note: ", &answer));
  EXPECT_FALSE(has(answer, "qqqq")) << "they do not mix with it";
  ASSERT_TRUE(terminal.prompt());
  ASSERT_TRUE(terminal.wait_for("qqqq"));
}

TEST_F(ChatTerminal, ASecondSignalEndsItWithTheTerminalAsItWas) {
  Terminal terminal(chat({"-n", "2000", "--ignore-eos", "--temperature", "1"}), variables());
  ASSERT_TRUE(terminal.prompt());
  terminal.type("A long story\r");
  ASSERT_TRUE(terminal.wait_for(kPasteOff));
  ASSERT_TRUE(terminal.wait_for(" a"));
  EXPECT_FALSE(terminal.cooked());
  for (const int number : {SIGSTOP, SIGINT, SIGTERM, SIGCONT}) terminal.send(number);  // both arrive at once
  EXPECT_EQ(terminal.finish(), 130);
  EXPECT_TRUE(terminal.cooked());
}

TEST_F(ChatTerminal, ItStopsAndGoesOn) {
  Terminal terminal(chat(), variables());
  ASSERT_TRUE(terminal.prompt());
  terminal.type("Hi");
  ASSERT_TRUE(terminal.wait_for("Hi"));
  terminal.type("\032");  // in a group without a shell, stopping is passed over
  ASSERT_TRUE(terminal.wait_for(kPasteOff));
  ASSERT_TRUE(terminal.wait_for(kPasteOn));
  ASSERT_TRUE(terminal.wait_for("Hi"));
  terminal.enter(" there");
  EXPECT_EQ(questions(terminal), Texts{"Hi there"});
}

TEST_F(ChatTerminal, ColoursCanBeSwitchedOff) {
  for (const bool off : {false, true}) {
    Terminal terminal(chat(), variables({{"NO_COLOR", off ? "1" : ""}}));
    ASSERT_TRUE(terminal.prompt());
    terminal.enter("Hi");
    EXPECT_EQ(has(terminal.screen(), "\033[1;32m"), !off);
    EXPECT_EQ(has(terminal.screen(), "m>>>"), !off);
  }
}

TEST_F(ChatTerminal, WithoutATerminalsAbilitiesLinesArePlain) {
  for (const char* kind : {"dumb", ""}) {
    Terminal terminal(chat(), variables({{"TERM", kind}}));
    ASSERT_TRUE(terminal.prompt());
    EXPECT_TRUE(terminal.cooked());
    terminal.type("Hi\n");
    ASSERT_TRUE(terminal.prompt());
    terminal.type("/show\n");
    ASSERT_TRUE(terminal.wait_for("2 messages"));
    ASSERT_TRUE(terminal.prompt());
    EXPECT_FALSE(has(terminal.screen(), "\033"));
    terminal.type("\004");
    EXPECT_EQ(terminal.finish(), 0);
  }
}

TEST_F(ChatTerminal, AnswersAreWrappedToTheWidth) {
  Terminal terminal(chat({"-n", "60", "--ignore-eos"}), variables(), 40);
  ASSERT_TRUE(terminal.prompt());
  for (const size_t width : {40, 24}) {
    terminal.resize(static_cast<unsigned short>(width));
    terminal.type("/clear\r");
    ASSERT_TRUE(terminal.prompt());
    terminal.type("Tell me a story\r");
    ASSERT_TRUE(terminal.wait_for(kPasteOff));
    std::string shown;
    ASSERT_TRUE(terminal.wait_for("note: ", &shown));
    shown.erase(std::remove(shown.begin(), shown.end(), '\r'), shown.end());
    size_t longest = 0;
    std::istringstream lines(shown);
    for (std::string line; std::getline(lines, line);) longest = std::max(longest, line.size());
    EXPECT_LT(longest, width) << shown;
    EXPECT_GT(longest, width / 2) << shown;
    ASSERT_TRUE(terminal.prompt());
    const std::string file = scratch_ / std::to_string(width);
    terminal.enter("/save " + file);
    std::string text = Json::parse(read_whole(file), nullptr, false)[1]["content"];
    for (std::string* one : {&shown, &text}) {
      std::replace(one->begin(), one->end(), '\n', ' ');
      one->erase(std::unique(one->begin(), one->end(), [](char a, char b) { return a == ' ' && b == ' '; }),
                 one->end());
      one->erase(0, one->find_first_not_of(' '));
      one->erase(one->find_last_not_of(' ') + 1);
    }
    EXPECT_EQ(shown, text);
  }
}

TEST_F(ChatTerminal, LoadedTextDoesNotSteerIt) {
  const std::string file = scratch_ / "talk.json";
  write_whole(
      file,
      Json({{{"role", "system"}, {"content", "s\033[2J"}}, {{"role", "user"}, {"content", "q\033]0;t\007"}}}).dump());
  Terminal terminal(chat(), variables());
  ASSERT_TRUE(terminal.prompt());
  terminal.enter("/load " + file);
  EXPECT_TRUE(has(terminal.enter("/show"), "\"s?[2J\""));
  EXPECT_TRUE(has(terminal.enter("/undo"), "\"q?]0;t?\""));
  EXPECT_FALSE(has(terminal.screen(), "\033[2J") || has(terminal.screen(), "\033]0"));
}

}  // namespace
}  // namespace gptq::testing
