// The gptq program from outside: exit codes, what goes where, JSON keys, help, and every command once.
#include <nlohmann/json.hpp>

#include "core/json.h"
#include "tests/cli/process.h"

namespace gptq::testing {
namespace {

using Json = nlohmann::json;

const std::vector<std::string> kCommands = {"quantize", "chat",       "generate",   "perplexity", "bench",  "inspect",
                                            "tokenize", "detokenize", "template",   "auth",       "pull",   "cache",
                                            "push",     "config",     "completion", "man",        "doctor", "version"};

void expect_failure(const Outcome& outcome, int code, const std::vector<std::string>& parts) {
  EXPECT_EQ(outcome.code, code) << outcome.err;
  EXPECT_EQ(outcome.out, "");
  EXPECT_TRUE(has(outcome.err, "gptq: error: ")) << outcome.err;
  for (const std::string& part : parts) EXPECT_TRUE(has(outcome.err, part)) << part << " is not in " << outcome.err;
}

Json expect_json(const Outcome& outcome, const std::vector<std::string>& keys) {
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  const Json json = Json::parse(outcome.out, nullptr, false);
  EXPECT_TRUE(json.is_object()) << outcome.out;
  for (const std::string& key : keys) EXPECT_TRUE(json.contains(key)) << key << " is not in " << outcome.out;
  return json;
}

TEST(CliHelp, TheProgramTeaches) {
  const Outcome help = gptq({"--help"});
  EXPECT_EQ(help.code, 0);
  EXPECT_EQ(help.err, "");
  for (const std::string& command : kCommands) EXPECT_TRUE(has(help.out, "\n  " + command + " ")) << command;
  for (const char* part : {"Exit codes:", "130  interrupted", "6  damaged", "3  not found"})
    EXPECT_TRUE(has(help.out, part));
  EXPECT_EQ(gptq({"-h"}).out, help.out);
  EXPECT_EQ(gptq({"help"}).out, help.out);
}

TEST(CliHelp, EveryCommandHasAnExample) {
  for (const std::string& command : kCommands) {
    const Outcome help = gptq({command, "--help"});
    EXPECT_EQ(help.code, 0);
    EXPECT_EQ(help.err, "");
    EXPECT_TRUE(has(help.out, "Usage: gptq " + command));
    EXPECT_LT(help.out.find("Examples:\n"), help.out.find("\n  gptq " + command)) << help.out;
    EXPECT_TRUE(has(help.out, "--json"));
    EXPECT_EQ(gptq({"help", command}).out, help.out);
  }
  EXPECT_TRUE(has(gptq({"quantize", "--help"}).out, "(default: 128)"));
  EXPECT_TRUE(has(gptq({"perplexity", "--help"}).out, "Definition: the whole text is"));
}

TEST(CliUsage, MistakesGetASuggestion) {
  expect_failure(gptq({"quantise"}), 2, {"no command 'quantise'", "did you mean quantize?"});
  expect_failure(gptq({"quantize", kDemo, "--bit", "4"}), 2,
                 {"unknown option --bit", "did you mean --bits?", "gptq quantize --help"});
  expect_failure(gptq({"chat", kDemo, "--temprature=1"}), 2, {"unknown option --temprature", "--temperature"});
  expect_failure(gptq({"inspect"}), 2, {"MODEL is required"});
  expect_failure(gptq({"quantize", kDemo}), 2, {"--output is required"});
  expect_failure(gptq({"inspect", kDemo, "another"}), 2, {"'another'"});
  const Outcome nothing = gptq({});
  EXPECT_EQ(nothing.code, 2);
  EXPECT_EQ(nothing.out, "");
  EXPECT_TRUE(has(nothing.err, "Getting started:"));
}

TEST(CliUsage, CommandsOfOtherProgramsAreTranslated) {
  for (const auto& [command, hint] : std::vector<std::pair<std::string, std::string>>{{"login", "`gptq auth login`"},
                                                                                      {"logout", "`gptq auth logout`"},
                                                                                      {"whoami", "`gptq auth whoami`"},
                                                                                      {"run", "`gptq chat MODEL`"},
                                                                                      {"list", "`gptq cache ls`"},
                                                                                      {"ls", "`gptq cache ls`"},
                                                                                      {"show", "`gptq inspect MODEL`"},
                                                                                      {"rm", "`gptq cache rm MODEL`"},
                                                                                      {"ps", "models are not kept loaded"},
                                                                                      {"serve", "`vllm serve DIR`"}}) {
    expect_failure(gptq({command}), 2, {"no command '" + command + "'", hint});
    expect_failure(gptq({command, "org/name", "--flag"}), 2, {"no command '" + command + "'", hint});
  }
}

TEST(CliUsage, BadValuesNameTheOption) {
  const auto quantize = [](const std::string& flag, const std::string& value) {
    return gptq({"quantize", kDemo, "-o", "/nowhere/x", "--dry-run", flag, value});
  };
  expect_failure(quantize("--bits", "5"), 2, {"--bits", "5"});
  expect_failure(quantize("--clip", "some"), 2, {"--clip", "hessian"});
  expect_failure(quantize("--rule", "x:bots=8"), 2, {"bots"});
  expect_failure(quantize("--skip", "("), 2, {"("});
  expect_failure(quantize("--max-shard-size", "5 apples"), 2, {"5 apples", "5GB"});
  expect_failure(quantize("--device", "toaster"), 2, {"toaster"});
  expect_failure(quantize("--threads", "-1"), 2, {"--threads"});
  expect_failure(gptq({"generate", kDemo, "-p", "x", "--top-p", "2"}), 2, {"top_p", "up to 1"});
  expect_failure(gptq({"generate", kDemo, "-p", "x", "-n", "many"}), 2, {"max_new_tokens", "many"});
  expect_failure(gptq({"generate", kDemo, "-p", "x", "-f", "y"}), 2, {"-p", "-f"});
  expect_failure(gptq({"chat", kDemo, "--json"}), 2, {"-p TEXT"});
  expect_failure(gptq({"template", kDemo}), 2, {"--messages", "--show"});
}

TEST(CliErrors, AMissingModelIsThree) {
  const std::string missing = "/nowhere/model";
  expect_failure(gptq({"quantize", missing, "-o", "/nowhere/x"}), 3, {missing});
  expect_failure(gptq({"chat", missing, "-p", "x"}), 3, {missing});
  expect_failure(gptq({"generate", missing, "-p", "x"}), 3, {missing});
  expect_failure(gptq({"perplexity", missing, "--text", kDemo + "/eval.txt"}), 3, {missing});
  expect_failure(gptq({"bench", missing}), 3, {missing});
  expect_failure(gptq({"inspect", missing}), 3, {missing});
  expect_failure(gptq({"tokenize", missing, "-p", "x"}), 3, {missing});
  expect_failure(gptq({"template", missing, "--show"}), 3, {missing});
  expect_failure(gptq({"perplexity", kDemo, "--text", "/nowhere/text"}), 3, {"/nowhere/text"});
}

TEST(CliErrors, AnUnsupportedArchitectureListsTheSupportedOnes) {
  const Scratch scratch;
  const std::string folder = scratch / "model";
  fs::copy(kDemo, folder);
  Json config = Json::parse(read_whole(folder + "/config.json"));
  config["architectures"] = {"OracleForCausalLM"};
  config["model_type"] = "oracle";
  write_whole(folder + "/config.json", config.dump());
  expect_failure(gptq({"generate", folder, "-p", "x"}), 6,
                 {"\"oracle\" is not supported", "llama, mistral, qwen2, qwen3"});
  const Outcome seen = gptq({"inspect", folder});
  EXPECT_EQ(seen.code, 0) << seen.err;
  EXPECT_TRUE(has(seen.out, "OracleForCausalLM"));
  EXPECT_FALSE(expect_json(gptq({"inspect", folder, "--json"}), {"supported"})["supported"]);
  write_whole(folder + "/config.json", "{broken");
  expect_failure(gptq({"generate", folder, "-p", "x"}), 6, {"config.json"});
}

TEST(CliErrors, AClosedPipeEndsQuietly) {
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"--help"},
        {"inspect", kDemo, "--tensors"},
        {"generate", kDemo, "-p", "x", "-n", "2000", "--ignore-eos", "-q"}}) {
    Process process(arguments, Process::Stdout::kClosedPipe);
    const Outcome outcome = process.finish();
    EXPECT_EQ(outcome.code, 0);
    EXPECT_EQ(outcome.err, "");
  }
}

TEST(CliVersion, TextAndJson) {
  EXPECT_EQ(gptq({"--version"}).out.rfind("gptq ", 0), 0u);
  EXPECT_EQ(gptq({"version"}).code, 0);
  expect_json(gptq({"version", "--json"}), {"version", "device"});
}

TEST(CliInspect, TextAndJson) {
  const Outcome text = gptq({"inspect", kDemo});
  EXPECT_EQ(text.code, 0);
  EXPECT_EQ(text.err, "");
  for (const char* part : {"MistralForCausalLM", "6.8 M", "13.6 MB", "16.00 bits per weight"})
    EXPECT_TRUE(has(text.out, part)) << text.out;
  EXPECT_FALSE(has(text.out, "lm_head.weight"));
  EXPECT_TRUE(has(gptq({"inspect", kDemo, "--tensors"}).out, "lm_head.weight"));
  const Json json =
      expect_json(gptq({"inspect", kDemo, "--tensors", "--json"}),
                  {"architecture", "parameters", "tensor_bytes", "bits_per_weight", "quantized", "tensors", "notes"});
  EXPECT_EQ(json["layers"], 6);
  EXPECT_TRUE(json["supported"]);
  EXPECT_EQ(json["tensors"].size(), 57u);
}

TEST(CliBench, RowsStandBesideTheDevice) {
  const Json json = expect_json(
      gptq({"bench", kDemo, "--prompt-lengths", "16", "--depths", "16,32", "--tokens", "4", "--repeat", "2", "--json"}),
      {"device", "load_seconds", "first_token_seconds", "weight_bytes"});
  EXPECT_GT(json["read_bytes_per_second"], 0);
  EXPECT_GT(json["int8_operations_per_second"], 0);
  EXPECT_GE(json["first_token_seconds"], json["load_seconds"]);
  std::vector<std::string> names;
  for (const Json& row : json["rows"]) {
    names.push_back(row["name"]);
    EXPECT_GT(row["tokens_per_second"], 0) << row;
    EXPECT_LE(row["min_seconds"], row["median_seconds"]) << row;
    EXPECT_LE(row["median_seconds"], row["max_seconds"]) << row;
    const bool prompt = row.contains("share_of_int8");
    const Json rate = prompt ? json["int8_operations_per_second"] : json["read_bytes_per_second"];
    const Json share = prompt ? row["share_of_int8"] : row["share_of_read"];
    const Json mine = prompt ? row["operations_per_second"] : row["bytes_per_second"];
    EXPECT_NEAR(share.get<double>(), mine.get<double>() / rate.get<double>(), 1e-9);
  }
  EXPECT_EQ(names, (std::vector<std::string>{"pp16", "tg4@d16", "tg4@d32"}));
  const Outcome text =
      gptq({"bench", kDemo, "--prompt-lengths", "8", "--depths", "8", "--tokens", "2", "--repeat", "1", "-q"});
  for (const char* part : {"pp8", "tg2@d8", "tokens/s", "FLOP/s", "B/s", "first token after"})
    EXPECT_TRUE(has(text.out, part)) << text.out;
  EXPECT_TRUE(text.err.empty() || text.err.starts_with("warning: the machine is busy: its load average is "))
      << text.err;
  const Json batches = expect_json(gptq({"bench", kDemo, "--prompt-lengths", "8", "--depths", "8", "--batches", "1,3",
                                         "--tokens", "2", "--repeat", "1", "--json"}),
                                   {"rows"});
  ASSERT_EQ(batches["rows"].size(), 3u);
  EXPECT_EQ(batches["rows"][2]["batch"], 3);
  EXPECT_GT(batches["rows"][2]["tokens_per_second"].get<double>(), 0);
  expect_failure(gptq({"bench", kDemo, "--batches", "0"}), 2, {"0 among the batches"});
  expect_failure(gptq({"bench", kDemo, "--depths", "0"}), 2, {"0 among the depths"});
}

TEST(CliBench, LengthsFitTheContext) {
  const auto names = [](const std::string& model, const std::vector<std::string>& more) {
    std::vector<std::string> all = {"bench", model, "--repeat", "1", "--json", "-q"};
    all.insert(all.end(), more.begin(), more.end());
    std::vector<std::string> found;
    const Json json = expect_json(gptq(all), {"rows"});
    for (const Json& row : json["rows"]) found.push_back(row["name"]);
    return found;
  };
  EXPECT_EQ(names(kDemo, {"--tokens", "4"}), (std::vector<std::string>{"pp128", "tg4@d128"})) << "of 512";
  const Scratch scratch;
  const std::string tiny = scratch / "tiny";
  fs::copy(kDemo, tiny);
  Json config = Json::parse(read_whole(tiny + "/config.json"));
  config["max_position_embeddings"] = 64;
  write_whole(tiny + "/config.json", config.dump());
  EXPECT_EQ(names(tiny, {"--tokens", "4"}), (std::vector<std::string>{"pp31", "tg4@d29"})) << "half of what there is";
  expect_failure(gptq({"bench", kDemo, "--depths", "16,384"}), 2, {"depth of 384", "context of 513", "has 512"});
  expect_failure(gptq({"bench", kDemo, "--prompt-lengths", "512"}), 2, {"prompt length of 512", "has 512"});
  expect_failure(gptq({"bench", kDemo, "--depths", "2147483647"}), 2, {"2147483647"});
  expect_failure(gptq({"bench", tiny}), 2, {"129 tokens", "context of 64", "--tokens"});
}

TEST(CliTokenize, ThereAndBack) {
  const Outcome lines = gptq({"tokenize", kDemo, "-p", "Hello there"});
  EXPECT_EQ(lines.code, 0);
  EXPECT_EQ(lines.out.rfind("1\t<s>\t0-0\n", 0), 0u) << lines.out;
  EXPECT_TRUE(lines.out.ends_with("-11\n")) << lines.out;
  const Json json = expect_json(gptq({"tokenize", kDemo, "--no-special-tokens", "--json"}, "Hello there"),
                                {"ids", "tokens", "offsets"});
  std::string ids;
  for (const Json& id : json["ids"]) ids += id.dump() + ",";
  EXPECT_EQ(json["ids"].size(), json["tokens"].size());
  EXPECT_EQ(json["offsets"].front()[0], 0);
  EXPECT_EQ(json["offsets"].back()[1], 11);
  EXPECT_EQ(gptq({"detokenize", kDemo, "--ids", ids}).out, "Hello there\n");
  EXPECT_EQ(gptq({"detokenize", kDemo, "--ids", "1,2", "--skip-special-tokens"}).out, "\n");
  EXPECT_EQ(gptq({"detokenize", kDemo, "--ids", "1,2"}).out, "<s></s>\n");
  for (const char* text : {"{}", "[a,b]", "%%", "--json", ""}) {  // nothing that the parser may swallow
    const Json odd = expect_json(gptq({"tokenize", kDemo, "--no-special-tokens", "--json", "-p", text}), {"ids"});
    EXPECT_EQ(expect_json(gptq({"detokenize", kDemo, "--json"}, odd["ids"].dump()), {"text"})["text"], text);
  }
  expect_failure(gptq({"detokenize", kDemo, "--ids", "1,x"}), 2, {"'x'"});
  expect_failure(gptq({"detokenize", kDemo, "--ids", "99999999"}), 2, {"99999999", "vocabulary, 0 to 4095"});
  expect_failure(gptq({"detokenize", kDemo, "--ids", "99999999999"}), 2, {"'99999999999'"});
  expect_failure(gptq({"detokenize", kDemo, "--jsonl", "-"}, "\n{\"ids\":[5000]}\n"), 2, {"line 2", "5000"});
}

TEST(CliTokenize, RowsThereAndBack) {
  const std::string rows = "{\"text\":\"one\"}\n\n{\"text\":\"two é\\n\"}\n";
  const Outcome ids = gptq({"tokenize", kDemo, "--jsonl", "-", "--no-special-tokens"}, rows);
  EXPECT_EQ(ids.code, 0) << ids.err;
  EXPECT_EQ(ids.out.rfind("{\"ids\":[", 0), 0u);
  EXPECT_EQ(gptq({"detokenize", kDemo, "--jsonl", "-"}, ids.out).out, "{\"text\":\"one\"}\n{\"text\":\"two é\\n\"}\n");
  const Outcome places = gptq({"tokenize", kDemo, "--jsonl", "-", "--offsets"}, "{\"text\":\"é [INST]\"}");
  EXPECT_EQ(Json::parse(places.out)["offsets"].back(), Json::parse("[2,8]")) << places.out;
  const Outcome bad = gptq({"tokenize", kDemo, "--jsonl", "-"}, rows + "{\"no\":1}\n");
  EXPECT_EQ(bad.code, 6);
  EXPECT_TRUE(has(bad.err, "line 4")) << bad.err;
}

TEST(CliTemplate, ExactText) {
  const std::string messages = R"([{"role": "user", "content": "Hi"}])";
  EXPECT_EQ(gptq({"template", kDemo, "--messages", "-"}, messages).out, "<s>[INST] Hi[/INST]");
  EXPECT_EQ(expect_json(gptq({"template", kDemo, "--messages", "-", "--json"}, messages), {})["text"],
            "<s>[INST] Hi[/INST]");
  const Json tokens =
      expect_json(gptq({"template", kDemo, "--messages", "-", "--json", "--tokens"}, messages), {"text", "tokens"});
  EXPECT_EQ(tokens["ids"].front(), 1);
  EXPECT_EQ(gptq({"template", kDemo, "--messages", "-", "--tokens"}, messages).out.rfind("1\t<s>\n3\t[INST]\n", 0), 0u);
  EXPECT_TRUE(has(gptq({"template", kDemo, "--show"}).out, "raise_exception"));
  expect_failure(gptq({"template", kDemo, "--messages", "-"}, R"([{"role": "pope", "content": "Hi"}])"), 2, {});
  EXPECT_NE(gptq({"template", kDemo, "--messages", "-"}, "not json").code, 0);
}

TEST(CliGenerate, ContinuesText) {
  const std::string start = "It was a dark night";
  const Outcome text = gptq({"generate", kDemo, "-p", start, "-n", "8", "-q"});
  EXPECT_EQ(text.code, 0) << text.err;
  EXPECT_EQ(text.err, "");
  EXPECT_FALSE(has(text.out, start));
  EXPECT_EQ(text.out.back(), '\n');
  EXPECT_EQ(gptq({"generate", kDemo, "-n", "8"}, start + "\n").out, text.out) << "from a pipe, as echo writes it";
  const Json json =
      expect_json(gptq({"generate", kDemo, "-p", start, "-n", "8", "--json"}),
                  {"text", "prompt_tokens", "new_tokens", "tokens_per_second", "finish_reason", "prompt_seconds"});
  EXPECT_EQ(json["text"].get<std::string>() + "\n", text.out);
  EXPECT_EQ(json["new_tokens"], 8);
  EXPECT_EQ(json["finish_reason"], "length");
  const std::string stop = json["text"].get<std::string>().substr(6, 4);
  const Json stopped =
      expect_json(gptq({"generate", kDemo, "-p", start, "-n", "8", "--json", "--stop", stop, "--stop", "zzz"}), {});
  EXPECT_EQ(stopped["finish_reason"], "stop");
  EXPECT_FALSE(has(stopped["text"], stop));
}

TEST(CliGenerate, ATextThatBeginsWithBosGetsNoSecondOne) {
  const auto count = [](const std::string& text) {
    return expect_json(gptq({"generate", kDemo, "-p", text, "-n", "1", "--json"}), {})["prompt_tokens"].get<size_t>();
  };
  EXPECT_EQ(count("<s>"), 1);
  const Json bare = expect_json(gptq({"tokenize", kDemo, "-p", "<s>It was", "--no-special-tokens", "--json"}), {});
  EXPECT_EQ(count("<s>It was"), bare["ids"].size());
}

TEST(CliGenerate, SamplingFlags) {
  const std::vector<std::string> draw = {"generate", kDemo,           "-p", "The",    "-n",
                                         "16",       "--temperature", "1",  "--seed", "3"};
  const Outcome first = gptq(draw);
  EXPECT_EQ(first.code, 0) << first.err;
  EXPECT_EQ(gptq(draw).out, first.out);
  EXPECT_NE(gptq({"generate", kDemo, "-p", "The", "-n", "16", "--temperature", "1", "--seed", "4"}).out, first.out);
  const Outcome greedy = gptq({"generate", kDemo, "-p", "The", "-n", "2", "--top-p", "0.9", "--verbose"});
  EXPECT_TRUE(has(greedy.err, "warning: at temperature 0")) << greedy.err;
  EXPECT_TRUE(has(greedy.err, "answer: 2 tokens")) << greedy.err;
  std::string long_prompt;
  for (int i = 0; i < 3000; ++i) long_prompt += " word";
  expect_failure(gptq({"generate", kDemo}, long_prompt), 2, {"context", "512", "shorten"});
}

TEST(CliPerplexity, TextAndJson) {
  const Scratch scratch;
  const std::string text = scratch / "text.txt";
  write_whole(text, read_whole(kDemo + "/eval.txt").substr(0, 4000));
  const Json json = expect_json(gptq({"perplexity", kDemo, "--text", text, "--window", "128", "--json"}),
                                {"perplexity", "tokens", "windows", "seconds"});
  EXPECT_EQ(json["tokens"], json["windows"].get<int>() * 127);
  EXPECT_GT(json["perplexity"], 5);
  EXPECT_LT(json["perplexity"], 100);
  const Outcome human = gptq({"perplexity", kDemo, "--text", text, "--window", "128"});
  EXPECT_TRUE(has(human.err, "% ") && has(human.err, " windows  0:")) << "progress while it measures\n" << human.err;
  EXPECT_EQ(human.out.rfind("perplexity ", 0), 0u);
  const Outcome quiet = gptq({"perplexity", kDemo, "--text", text, "--window", "128", "-q"});
  EXPECT_EQ(quiet.err, "");
  const Outcome shortened = gptq({"perplexity", kDemo, "--text", text, "--window", "4096"});
  EXPECT_EQ(shortened.code, 0);
  EXPECT_TRUE(has(shortened.err, "window 4096 shortened to the model's context of 512")) << shortened.err;
  EXPECT_TRUE(has(shortened.out, "windows of 512")) << shortened.out;
}

}  // namespace
}  // namespace gptq::testing
