// gptq chat from outside: one answer, the loop through a pipe, and Ctrl-C.
#include <nlohmann/json.hpp>

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
  EXPECT_TRUE(has(loop.err, "forgotten"));
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
                            "/help\n/?\n/set parameter max_new_tokens 3\n/set parameter colour 3\n"
                            "/set parameter top_p 7\n/set\n/dance\nHi\n/bye\n");
  EXPECT_EQ(loop.code, 0);
  for (const char* part : {"/set parameter NAME VALUE", "repetition_penalty", "max_new_tokens is 3",
                           "no parameter 'colour'", "top_p takes", "no command /dance", "cut after 3 tokens"}) {
    EXPECT_TRUE(has(loop.err, part)) << part << " is not in " << loop.err;
  }
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
  EXPECT_TRUE(has(outcome.err, "forgotten")) << outcome.err;
}

TEST(Chat, CtrlCWithAPromptExitsWith130) {
  Process process({"chat", kDemo, "-n", "2000", "--ignore-eos", "--temperature", "1", "-p", "Tell me a long story"});
  ASSERT_TRUE(Process::wait_until([&] { return process.out().size() > 20; })) << process.err();
  process.send(SIGINT);
  EXPECT_EQ(process.finish().code, 130);
}

}  // namespace
}  // namespace gptq::testing
