// gptq chat from outside: one answer, the loop through a pipe, and Ctrl-C.
#include <sys/stat.h>
#include <iterator>
#include <nlohmann/json.hpp>

#include "core/json.h"
#include "tests/cli/process.h"

namespace gptq::testing {
namespace {

using Json = nlohmann::json;

TEST(Chat, OneAnswer) {
  const Outcome text = gptq({"chat", kDemo, "-p", "Who are you?", "-n", "12", "-q"});
  EXPECT_EQ(text.code, 0) << text.err;
  EXPECT_EQ(text.err, "");
  EXPECT_GT(text.out.size(), 2u);
  EXPECT_NE(text.out.front(), ' ');
  EXPECT_EQ(text.out.back(), '\n');
  const Outcome answer = gptq({"chat", kDemo, "-p", "Who are you?", "-n", "12", "--json"});
  const Json json = Json::parse(answer.out);
  EXPECT_EQ(json["text"].get<std::string>() + "\n", text.out);
  for (const char* key : {"prompt_tokens", "new_tokens", "tokens_per_second", "finish_reason"})
    EXPECT_TRUE(json.contains(key));
}

TEST(Chat, LoopThroughAPipe) {
  const Outcome once = gptq({"chat", kDemo, "-p", "Who are you?", "-n", "12"});
  const Outcome loop = gptq({"chat", kDemo, "-n", "12"}, "Who are you?\n/clear\n\nWho are you?\n/bye\nnever read\n");
  EXPECT_EQ(loop.code, 0) << loop.err;
  EXPECT_EQ(loop.out, once.out + once.out) << "a cleared conversation begins like a new one";
  EXPECT_FALSE(has(loop.err, ">>>")) << "no prompts through a pipe";
  EXPECT_TRUE(has(loop.err, "conversation cleared"));
  EXPECT_EQ(gptq({"chat", kDemo, "-n", "12"}, "Who are you?").out, once.out) << "the end of the input leaves, too";
}

TEST(Chat, SeveralLines) {
  const Outcome fenced = gptq({"chat", kDemo, "-n", "4", "-v"}, "\"\"\"Who\nare you?\"\"\"\n");
  const Json expected = Json::parse(gptq({"chat", kDemo, "-n", "4", "-p", "Who\nare you?", "--json"}).out);
  EXPECT_EQ(fenced.out, expected["text"].get<std::string>() + "\n");
  EXPECT_TRUE(has(fenced.err, "prompt: " + expected["prompt_tokens"].dump() + " tokens")) << fenced.err;
}

TEST(Chat, Commands) {
  const Outcome loop = gptq({"chat", kDemo},
                            "/help\n/?\n/set parameter max_new_tokens 5\n/set parameter colour 3\n"
                            "/set max-tokens 3\n/set parameter top_p 7\n/set\n/dance\n/retyr\nHi\n/bye\n");
  EXPECT_EQ(loop.code, 0);
  for (const char* part :
       {"/set NAME VALUE", "repetition_penalty", "max_new_tokens is 5", "no parameter 'colour'", "max_new_tokens is 3",
        "top_p takes", "no command /dance;", "no command /retyr; did you mean /retry?", "truncated after 3 tokens"}) {
    EXPECT_TRUE(has(loop.err, part)) << part << " is not in " << loop.err;
  }
}

Json saved(const std::string& path) { return Json::parse(read_whole(path), nullptr, false); }

Json message(const std::string& role, const std::string& content) { return {{"role", role}, {"content", content}}; }

// The text without the end of its last line.
std::string line_of(const std::string& text) { return text.substr(0, text.find_last_not_of('\n') + 1); }

TEST(Chat, ConversationsAreSavedAndGoOn) {
  const Scratch scratch;
  const std::string file = scratch / "talk.json";
  const std::string first = line_of(gptq({"chat", kDemo, "-n", "6", "-p", "Hi"}).out);
  const Outcome whole = gptq({"chat", kDemo, "-n", "6"}, "Hi\n/save " + file + "\nAnd you?\n/save\n");
  EXPECT_EQ(whole.code, 0) << whole.err;
  const Json talk = saved(file);
  ASSERT_EQ(talk.size(), 4u) << talk << whole.err;
  EXPECT_EQ(talk[0], message("user", "Hi"));
  EXPECT_EQ(talk[1], message("assistant", first));
  EXPECT_EQ(fs::status(file).permissions(), fs::perms::owner_read | fs::perms::owner_write);
  EXPECT_EQ(std::distance(fs::directory_iterator(fs::path(file).parent_path()), {}), 1) << "nothing temporary is left";

  const std::string start = scratch / "start.json", again = scratch / "again.json";
  write_whole(start, Json({{"messages", {talk[0], talk[1]}}}).dump());
  const Outcome next = gptq({"chat", kDemo, "-n", "6"}, "/load " + start + "\nAnd you?\n/save " + again + "\n");
  EXPECT_EQ(saved(again), talk) << next.err;
  const Outcome rendered = gptq({"template", kDemo, "--messages", file});
  EXPECT_EQ(rendered.code, 0) << rendered.err;
}

TEST(Chat, SystemTextsAndFurtherFieldsAreSaved) {
  const Scratch scratch;
  const std::string file = scratch / "talk.json", copy = scratch / "copy.json";
  Json talk = {message("system", "Be brief."), message("user", "Hi"), message("assistant", "Yes?")};
  talk[2]["reasoning_content"] = "hm";
  write_whole(file, talk.dump());
  const Outcome outcome = gptq({"chat", kDemo, "-n", "4"}, "/load " + file + "\n/show\n/save " + copy + "\n");
  EXPECT_EQ(saved(copy), talk) << outcome.err;
  EXPECT_TRUE(has(outcome.err, "\"Be brief.\"")) << outcome.err;
}

TEST(Chat, SavingReplacesOnlyItsOwnFile) {
  const Scratch scratch;
  const std::string foreign = scratch / "foreign", mine = scratch / "mine", link = scratch / "link";
  write_whole(foreign, "precious");
  fs::create_symlink(foreign, link);
  const std::string pipe = scratch / "pipe";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  const Outcome refused =
      gptq({"chat", kDemo, "-n", "2"}, "/save " + mine + "\nHi\n/save " + foreign + "\n/save " + link + "\n/save " +
                                           scratch / "none/x" + "\n/save\n/save " + pipe + "\n");
  EXPECT_EQ(refused.code, 0);
  EXPECT_EQ(read_whole(foreign), "precious");
  EXPECT_FALSE(fs::exists(mine)) << "there was nothing to save yet";
  EXPECT_TRUE(has(refused.err, "nothing to save") && has(refused.err, "foreign exists") &&
              has(refused.err, "No such file") && has(refused.err, "/save needs the name"))
      << refused.err;
  EXPECT_EQ(std::distance(fs::directory_iterator(fs::path(mine).parent_path()), {}), 3) << "nothing temporary is left";
  EXPECT_TRUE(fs::is_fifo(pipe));
  const Json talk = {message("user", "Hi"), message("assistant", "Yes?")};
  write_whole(mine, talk.dump());
  gptq({"chat", kDemo, "-n", "2"}, "/load " + mine + "\nAnd?\n/save " + mine + "\n");
  EXPECT_EQ(saved(mine).size(), 4u) << "a conversation goes back to where it came from";
}

TEST(Chat, WhatIsNoConversationIsNamedAndChangesNothing) {
  const Scratch scratch;
  const std::string start = "Hi\n";
  std::string input = start;
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"{\"messages\": 3}", "no list of messages"},
      {"[1]", "message 1 is no object"},
      {R"([{"role": "user", "content": "x"}, {"role": "robot", "content": "x"}])", "message 2 has the role \"robot\""},
      {R"([{"role": "user"}])", "message 1 has no content"},
      {"[", "it is not JSON"},
      {"[]", "has no messages"},
      {std::string(100'000, '['), "nested too deeply"},
  };
  for (size_t i = 0; i < cases.size(); ++i) {
    write_whole(scratch / std::to_string(i), cases[i].first);
    input += "/load " + scratch / std::to_string(i) + "\n";
  }
  ASSERT_EQ(mkfifo((scratch / "fifo").c_str(), 0600), 0);
  input += "/load " + scratch / "fifo" + "\n/load /dev/zero\n/load " + scratch / "" + "\n/load\n/load " +
           scratch / "none" + "\n";
  const Outcome outcome = gptq({"chat", kDemo, "-n", "4"}, input + "/save " + scratch / "after" + "\n");
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  for (const auto& [content, part] : cases) EXPECT_TRUE(has(outcome.err, part)) << part << " is not in " << outcome.err;
  for (const char* part : {"it is a device", "it is a folder", "/load needs", "No such file"})
    EXPECT_TRUE(has(outcome.err, part)) << part << " is not in " << outcome.err;
  EXPECT_EQ(saved(scratch / "after")[0], message("user", "Hi"));
}

TEST(Chat, UndoAndRetry) {
  const Scratch scratch;
  const std::string file = scratch / "talk.json", other = scratch / "other.json";
  const Outcome outcome = gptq({"chat", kDemo, "-n", "8", "--temperature", "1.5", "--seed", "3"},
                               "/undo\n/retry\nHi\nMore\n/undo\n/save " + file + "\n/retry\n/save " + other + "\n");
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_TRUE(has(outcome.err, "the conversation has no question yet")) << outcome.err;
  EXPECT_TRUE(has(outcome.err, "removed: \"More\"")) << outcome.err;
  const Json before = saved(file), after = saved(other);
  ASSERT_EQ(before.size(), 2u) << before;
  ASSERT_EQ(after.size(), 2u) << after;
  EXPECT_EQ(before[0], after[0]);
  EXPECT_NE(before[1], after[1]) << "another seed";
  const Outcome seed = gptq({"chat", kDemo, "-n", "8", "--temperature", "1.5", "--seed", "4", "-p", "Hi"});
  EXPECT_EQ(after[1]["content"], line_of(seed.out)) << "given a seed, answers are repeatable";
  const Outcome greedy = gptq({"chat", kDemo, "-n", "4", "--temperature", "0"}, "Hi\n/retry\n");
  EXPECT_TRUE(has(greedy.err, "at temperature 0 the answer stays the same")) << greedy.err;
  EXPECT_EQ(greedy.out.substr(0, greedy.out.size() / 2), greedy.out.substr(greedy.out.size() / 2));
}

TEST(Chat, RetryAnswersALoadedQuestion) {
  const Scratch scratch;
  const std::string file = scratch / "talk.json";
  write_whole(file, Json({message("user", "Hi")}).dump());
  const Outcome outcome = gptq({"chat", kDemo, "-n", "4", "--temperature", "0"}, "/load " + file + "\n/retry\n");
  EXPECT_TRUE(has(outcome.err, "/retry generates an answer")) << outcome.err;
  EXPECT_EQ(outcome.out, gptq({"chat", kDemo, "-n", "4", "--temperature", "0", "-p", "Hi"}).out);
}

TEST(Chat, AFileGoesInFrontOfTheQuestion) {
  const Scratch scratch;
  const std::string file = scratch / "a text.txt", talk = scratch / "talk.json";
  write_whole(file, "\xEF\xBB\xBFOne line.\n");
  write_whole(scratch / "binary", std::string("a\0b", 3));
  write_whole(scratch / "latin", "caf\xe9");
  std::string words;
  for (int i = 0; i < 3000; ++i) words += " word";
  write_whole(scratch / "long", words);
  const Outcome outcome = gptq({"chat", kDemo, "-n", "4"},
                               "/file " + file + "\nWhat is it?\nAnd?\n/file " + scratch / "binary" + "\n/file " +
                                   scratch / "latin" + "\n/file " + scratch / "long" + "\n/save " + talk + "\n");
  const Json messages = saved(talk);
  ASSERT_EQ(messages.size(), 4u) << outcome.err;
  EXPECT_EQ(messages[0]["content"], "One line.\n\nWhat is it?");
  EXPECT_EQ(messages[2]["content"], "And?") << "once only";
  EXPECT_TRUE(has(outcome.err, "binary: it is not text") && has(outcome.err, "latin: it is not text") &&
              has(outcome.err, "context holds 512"))
      << outcome.err;
}

TEST(Chat, ShowSaysHowAnswersAreDrawn) {
  const Outcome outcome = gptq({"chat", kDemo, "-n", "5"}, "/set temperature 0.3\n/set system Be brief.\nHi\n/show\n");
  for (const char* part : {"model     " GPTQ_SOURCE_DIR "/models/demo", "temperature 0.3", "max_new_tokens 5",
                           "\"Be brief.\"", " of 512 tokens, 2 messages", "without a system role"}) {
    EXPECT_TRUE(has(outcome.err, part)) << part << " is not in " << outcome.err;
  }
}

TEST(Chat, BetweenFencesNothingIsACommand) {
  const Scratch scratch;
  const std::string file = scratch / "talk.json";
  gptq({"chat", kDemo, "-n", "2"}, "\"\"\"/bye\"\"\"\n/save " + file + "\n");
  EXPECT_EQ(saved(file)[0], message("user", "/bye"));
}

TEST(Chat, SystemTextIsFoldedWhenTheTemplateHasNoSystemRole) {
  const Outcome loop = gptq({"chat", kDemo, "-n", "4", "-v"}, "/set system Be brief.\nHi\n");
  EXPECT_EQ(loop.code, 0);
  EXPECT_TRUE(has(loop.err, "no system role")) << loop.err;
  const Json folded = Json::parse(gptq({"chat", kDemo, "-n", "4", "--json", "-p", "Be brief.\n\nHi"}).out);
  EXPECT_EQ(loop.out, folded["text"].get<std::string>() + "\n");
  const Outcome flag = gptq({"chat", kDemo, "-n", "4", "--json", "-p", "Hi", "--system", "Be brief."});
  EXPECT_EQ(Json::parse(flag.out)["prompt_tokens"], folded["prompt_tokens"]);
}

TEST(Chat, AFullContextIsSaidAndTheLoopGoesOn) {
  std::string question;
  for (int i = 0; i < 3000; ++i) question += " word";
  const Outcome loop = gptq({"chat", kDemo, "-n", "4"}, question + "\nHi\n/bye\n");
  EXPECT_EQ(loop.code, 0);
  EXPECT_TRUE(has(loop.err, "context holds 512")) << loop.err;
  EXPECT_EQ(loop.out, gptq({"chat", kDemo, "-n", "4", "-p", "Hi"}).out);
}

TEST(Chat, AModelWithoutTemplateCannotChat) {
  const Scratch scratch;
  const std::string folder = scratch / "model";
  fs::copy(kDemo, folder);
  Json config = Json::parse(read_whole(folder + "/tokenizer_config.json"));
  config.erase("chat_template");
  write_whole(folder + "/tokenizer_config.json", config.dump());
  const Outcome chat = gptq({"chat", folder, "-p", "Hi"});
  EXPECT_EQ(chat.code, 3);
  EXPECT_TRUE(has(chat.err, "no chat template")) << chat.err;
}

TEST(Chat, CtrlCStopsTheAnswerOnly) {
  Process process({"chat", kDemo, "-n", "2000", "--ignore-eos", "--temperature", "1", "-v"});
  process.write("Tell me a long story\n");
  ASSERT_TRUE(Process::wait_until([&] { return process.out().size() > 20; })) << process.err();
  process.send(SIGINT);
  ASSERT_TRUE(Process::wait_until([&] { return process.err().find("ended by") != std::string::npos; }));
  process.write("/clear\n/bye\n");
  const Outcome outcome = process.finish();
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_TRUE(has(outcome.err, "ended by cancelled")) << outcome.err;
  EXPECT_TRUE(has(outcome.err, "conversation cleared")) << outcome.err;
}

TEST(Chat, SigtermEndsIt) {
  for (const bool answering : {false, true}) {
    Process process({"chat", kDemo, "-n", "2000", "--ignore-eos", "--temperature", "1"});
    process.write(answering ? "/help\nTell me a long story\n" : "/help\n");
    ASSERT_TRUE(Process::wait_until(
        [&] { return answering ? process.out().size() > 20 : process.err().find("Parameters") != std::string::npos; }));
    process.send(SIGTERM);
    ASSERT_TRUE(Process::wait_until([&] { return process.err().find("gptq: interrupted") != std::string::npos; }));
    EXPECT_EQ(process.finish().code, 130);
  }
}

TEST(Chat, CtrlCWithAPromptExitsWith130) {
  Process process({"chat", kDemo, "-n", "2000", "--ignore-eos", "--temperature", "1", "-p", "Tell me a long story"});
  ASSERT_TRUE(Process::wait_until([&] { return process.out().size() > 20; })) << process.err();
  process.send(SIGINT);
  EXPECT_EQ(process.finish().code, 130);
}

}  // namespace
}  // namespace gptq::testing
