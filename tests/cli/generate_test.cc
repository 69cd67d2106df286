// gptq generate from outside: what is printed, where the text comes from, seeds, special tokens, and rows of JSON.
#include <nlohmann/json.hpp>

#include "core/json.h"
#include "tests/cli/process.h"

namespace gptq::testing {
namespace {

using Json = nlohmann::json;
using Strings = std::vector<std::string>;

Strings generate(const Strings& more) {
  Strings all = {"generate", kDemo};
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

Json json_of(const Strings& more, const std::string& input = "") {
  Strings all = generate(more);
  all.push_back("--json");
  const Outcome outcome = gptq(all, input);
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  return Json::parse(outcome.out, nullptr, false);
}

std::vector<Json> rows_of(const Outcome& outcome) {
  std::vector<Json> rows;
  std::istringstream lines(outcome.out);
  for (std::string line; std::getline(lines, line);) rows.push_back(Json::parse(line));
  return rows;
}

TEST(CliGenerate, WhatIsPrintedFollowsThePromptExactly) {
  // Two words that the model surely begins with a space, and one that it goes on with inside the word.
  const Json spaced = json_of({"Once upon a", "-n", "2"});
  EXPECT_TRUE(spaced["text"].get<std::string>().starts_with(" ")) << spaced;
  EXPECT_EQ(gptq(generate({"Once upon a", "-n", "2", "-q"})).out, spaced["text"].get<std::string>() + "\n");
  // The ids of prompt and continuation together are the text of both.
  const Json prompt = Json::parse(gptq({"tokenize", kDemo, "-p", "Once upon a", "--json"}).out);
  Json ids = prompt["ids"];
  ids.insert(ids.end(), spaced["ids"].begin(), spaced["ids"].end());
  const Outcome both = gptq({"detokenize", kDemo, "--skip-special-tokens"}, ids.dump());
  EXPECT_EQ(both.out, "Once upon a" + spaced["text"].get<std::string>() + "\n");
}

TEST(CliGenerate, TheTextMayBeAnArgument) {
  const std::string expected = gptq(generate({"-p", "It was a dark night", "-n", "6"})).out;
  EXPECT_EQ(gptq(generate({"It was a dark night", "-n", "6"})).out, expected);
  EXPECT_EQ(gptq({"generate", "-n", "6", kDemo, "--", "It was a dark night"}).out, expected);
  for (const Strings& twice : {Strings{"a text", "-p", "another"}, Strings{"a text", "-f", "file"},
                               Strings{"a text", "--jsonl", "-"}, Strings{"-p", "a text", "--jsonl", "-"}}) {
    const Outcome refused = gptq(generate(twice));
    EXPECT_EQ(refused.code, 2) << refused.out;
    EXPECT_TRUE(has(refused.err, "not both")) << refused.err;
  }
  for (const char* odd : {"{}", "[a,b]", "%%"}) EXPECT_EQ(json_of({odd, "-n", "1"})["prompt"], odd);
}

TEST(CliGenerate, JsonSaysWhatWasDone) {
  const Json greedy = json_of({"It was", "-n", "5"});
  EXPECT_EQ(greedy["prompt"], "It was");
  EXPECT_EQ(greedy["ids"].size(), 5u);
  EXPECT_EQ(greedy["new_tokens"], 5);
  EXPECT_EQ(greedy["prompt_tokens"], 3);
  EXPECT_EQ(greedy["finish_reason"], "length");
  EXPECT_TRUE(greedy["seed"].is_null()) << "nothing is drawn";
  for (const char* key : {"prompt_seconds", "decode_seconds", "tokens_per_second"}) EXPECT_GT(greedy[key], 0) << key;
}

TEST(CliGenerate, SeedsDifferUnlessOneIsGiven) {
  const Strings draw = {"It was", "-n", "12", "--temperature", "1.5"};
  const Json first = json_of(draw), second = json_of(draw);
  EXPECT_NE(first["seed"], second["seed"]);
  EXPECT_NE(first["text"], second["text"]);
  Strings again = draw;
  again.insert(again.end(), {"--seed", first["seed"].dump()});
  EXPECT_EQ(json_of(again)["text"], first["text"]) << "the seed that was shown repeats it";
  EXPECT_EQ(json_of(again)["seed"], first["seed"]);

  Strings verbose = draw;
  verbose.push_back("-v");
  const Outcome told = gptq(generate(verbose));
  const size_t at = told.err.find("seed ");
  ASSERT_NE(at, std::string::npos) << told.err;
  again.back() = told.err.substr(at + 5, told.err.find_first_not_of("0123456789", at + 5) - at - 5);
  EXPECT_EQ(json_of(again)["text"].get<std::string>() + "\n", told.out);
}

TEST(CliGenerate, ChatDrawsItsSeedsInTheSameWay) {
  const Strings draw = {"chat", kDemo, "-p", "Tell me a story", "-n", "16", "--temperature", "1.5"};
  EXPECT_NE(gptq(draw).out, gptq(draw).out);
  Strings json = draw;
  json.push_back("--json");
  const Json drawn = Json::parse(gptq(json).out);
  Strings same = draw;
  same.insert(same.end(), {"--seed", drawn["seed"].dump()});
  EXPECT_EQ(gptq(same).out, drawn["text"].get<std::string>() + "\n");
}

TEST(CliGenerate, SpecialTokensAreKeptWhenAskedFor) {
  const Strings answer = {"<s>[INST] Who are you?[/INST]", "-n", "200"};
  const Json plain = json_of(answer);
  EXPECT_EQ(plain["finish_reason"], "stop");
  EXPECT_FALSE(has(plain["text"], "</s>"));
  Strings keep = answer;
  keep.push_back("--keep-special-tokens");
  const Json kept = json_of(keep);
  EXPECT_EQ(kept["text"], plain["text"].get<std::string>() + "</s>");
  EXPECT_EQ(kept["ids"].size(), plain["ids"].size() + 1);
}

TEST(CliGenerate, RowsInRowsOut) {
  const std::string input =
      "{\"prompt\":\"It was\"}\n\n\"Once upon a\"\n"
      "{\"messages\":[{\"role\":\"user\",\"content\":\"Who are you?\"}]}\n";
  const Outcome outcome = gptq(generate({"--jsonl", "-", "-n", "6"}), input);
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const std::vector<Json> rows = rows_of(outcome);
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[0]["text"], json_of({"It was", "-n", "6"})["text"]);
  EXPECT_EQ(rows[1]["text"], json_of({"Once upon a", "-n", "6"})["text"]);
  EXPECT_EQ(rows[1]["prompt"], "Once upon a");
  const Json chat = Json::parse(gptq({"chat", kDemo, "-p", "Who are you?", "-n", "6", "--json"}).out);
  EXPECT_EQ(rows[2]["text"], chat["text"]) << "a conversation is answered as in chat";
  EXPECT_EQ(rows[2]["prompt"], "<s>[INST] Who are you?[/INST]");
  EXPECT_TRUE(has(outcome.err, "3 rows")) << outcome.err;

  const Scratch scratch;
  write_whole(scratch / "rows", input);
  EXPECT_EQ(rows_of(gptq(generate({"--jsonl", scratch / "rows", "-n", "6", "-q"})))[2]["text"], chat["text"]);
}

TEST(CliGenerate, ABadRowIsNamedBeforeAnythingIsAnswered) {
  const Scratch scratch;
  const std::string file = scratch / "rows.jsonl";
  const std::string good = "\"Once\"\n\n";
  const std::vector<std::pair<std::string, std::string>> bad = {
      {"{\"promt\":\"x\"}", "\"prompt\" or \"messages\""},
      {"{\"prompt\":7}", "\"prompt\" or \"messages\""},
      {"[1]", "\"prompt\" or \"messages\""},
      {"{\"prompt\":\"x\"", "\"prompt\" or \"messages\""},
      {"{\"prompt\":\"x\",\"messages\":[]}", "both"},
      {"{\"messages\":[{\"role\":\"pope\",\"content\":\"x\"}]}", ""}};
  for (const auto& [row, reason] : bad) {
    write_whole(file, good + row + "\n");
    const Outcome outcome = gptq(generate({"--jsonl", file, "-n", "2"}));
    EXPECT_TRUE(outcome.code == 6 || outcome.code == 2) << outcome.code;
    EXPECT_EQ(outcome.out, "") << row;
    EXPECT_TRUE(has(outcome.err, "line 3 of " + file)) << outcome.err;
    EXPECT_TRUE(has(outcome.err, reason)) << outcome.err;
  }
  std::string words;
  for (int i = 0; i < 3000; ++i) words += " word";
  write_whole(file, good + Json(words).dump());
  const Outcome lengthy = gptq(generate({"--jsonl", file}));
  EXPECT_EQ(lengthy.code, 2);
  EXPECT_EQ(lengthy.out, "");
  EXPECT_TRUE(has(lengthy.err, "line 3 of " + file)) << lengthy.err;
  EXPECT_TRUE(has(lengthy.err, "shorten the prompt")) << lengthy.err;
  write_whole(file, "\n");
  EXPECT_EQ(gptq(generate({"--jsonl", file})).code, 6);
}

}  // namespace
}  // namespace gptq::testing
