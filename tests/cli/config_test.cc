// Options from config.toml and from the environment, and what `gptq config` says of them.
#include <sys/stat.h>

#include <nlohmann/json.hpp>

#include "core/json.h"
#include "tests/cli/process.h"
#include "tests/cli/settings.h"

namespace gptq::testing {
namespace {

using Json = nlohmann::json;
using Strings = std::vector<std::string>;

// All other tests of this program run without the settings of whoever runs them.
const bool kNoSettings = [] { return setenv("XDG_CONFIG_HOME", "/nonexistent", 1) == 0; }();

Json shown(const std::string& command, const std::string& option) {
  const Outcome outcome = gptq({"config", "show", command, "--json"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  const Json all = Json::parse(outcome.out, nullptr, false);
  for (const Json& row : all["options"])
    if (row["command"] == command && row["option"] == option) return row;
  ADD_FAILURE() << option << " is not in " << outcome.out;
  return {};
}

int new_tokens(const Strings& more = {}) {
  Strings all = {"generate", kDemo, "It was", "--json", "-q"};
  all.insert(all.end(), more.begin(), more.end());
  const Outcome outcome = gptq(all);
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  return Json::parse(outcome.out)["new_tokens"];
}

TEST(Config, CommandLineThenEnvironmentThenFileThenDefault) {
  ASSERT_TRUE(kNoSettings);
  EXPECT_EQ(shown("generate", "--max-new-tokens")["from"], "default");
  const ConfigFile file("threads = 2\n\n[generate]\nmax-new-tokens = 3\n");
  EXPECT_EQ(new_tokens(), 3);
  EXPECT_EQ(shown("generate", "--max-new-tokens"), Json({{"command", "generate"},
                                                         {"option", "--max-new-tokens"},
                                                         {"value", "3"},
                                                         {"from", "file"},
                                                         {"origin", file.path() + ":4"}}));
  EXPECT_EQ(shown("quantize", "--threads")["origin"], file.path() + ":1") << "keys at the top hold for all commands";
  EXPECT_EQ(shown("quantize", "--bits")["value"], "4");
  const Variable twin("GPTQ_MAX_NEW_TOKENS", "5");
  EXPECT_EQ(new_tokens(), 5);
  EXPECT_EQ(shown("generate", "--max-new-tokens")["origin"], "GPTQ_MAX_NEW_TOKENS");
  EXPECT_EQ(shown("generate", "--max-new-tokens")["from"], "environment");
  EXPECT_EQ(new_tokens({"-n", "2"}), 2);
  const Variable empty("GPTQ_MAX_NEW_TOKENS", "");
  EXPECT_EQ(new_tokens(), 3) << "an empty variable is none";
}

TEST(Config, EveryKindOfValue) {
  const Scratch scratch;
  const ConfigFile file(
      "json = true\n[quantize]\nsym = false\nbits = 3\ndamp = 0.05\nrule = [\".*o_proj:bits=8\", '.*up:bits=4']\n"
      "samples = 8\nseqlen = 128\n[bench]\ndepths = [16, 32]\n");
  EXPECT_EQ(shown("quantize", "--sym")["value"], "false");
  EXPECT_EQ(shown("quantize", "--true-sequential")["value"], "true");
  EXPECT_EQ(shown("quantize", "--desc-act")["value"], "false");
  EXPECT_EQ(shown("quantize", "--rule")["value"], ".*o_proj:bits=8, .*up:bits=4");
  EXPECT_EQ(shown("bench", "--depths")["value"], "16, 32");
  const std::string output = scratch / "out";
  const Outcome outcome = gptq({"quantize", kDemo, "-o", output});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const Json report = Json::parse(outcome.out);
  ASSERT_FALSE(report["modules"].empty());  // gate_proj has the same input as up_proj, and takes its width
  for (const Json& module : report["modules"]) {
    const std::string name = module["name"];
    const bool of_up = has(name, "gate_proj") || has(name, "up_proj");
    EXPECT_EQ(module["bits"], has(name, "o_proj") ? 8 : of_up ? 4 : 3) << module;
  }
  EXPECT_FALSE(Json::parse(gptq({"inspect", output}).out)["sym"].get<bool>());
}

TEST(Config, VariablesOfFlagsAndLists) {
  const Variable json("GPTQ_JSON", "true"), depths("GPTQ_DEPTHS", "16,32"), sym("GPTQ_SYM", "0");
  EXPECT_EQ(shown("bench", "--depths")["value"], "16, 32");
  EXPECT_TRUE(Json::parse(gptq({"inspect", kDemo}).out).is_object());
  EXPECT_EQ(shown("quantize", "--sym")["origin"], "GPTQ_SYM");
}

TEST(Config, RequiredOptionsMayComeFromThere) {
  const Scratch scratch;
  write_whole(scratch / "text", read_whole(kDemo + "/eval.txt").substr(0, 4000));
  const Variable text("GPTQ_TEXT", scratch / "text");
  EXPECT_EQ(gptq({"perplexity", kDemo, "--window", "128", "-q"}).code, 0);
  const Outcome none = gptq({"perplexity"});
  EXPECT_EQ(none.code, 2);
  EXPECT_TRUE(has(none.err, "MODEL is required")) << none.err;
}

TEST(Config, WhatOneCallIsAboutIsNotTakenFromThere) {
  const Variable output("GPTQ_OUTPUT", "/tmp/never"), force("GPTQ_FORCE", "true"), prompt("GPTQ_PROMPT", "hi"),
      token("GPTQ_TOKEN", "hf_secret");
  const Outcome missing = gptq({"quantize", kDemo});
  EXPECT_EQ(missing.code, 2);
  EXPECT_TRUE(has(missing.err, "--output is required")) << missing.err;
  const Outcome all = gptq({"config", "show"});
  EXPECT_FALSE(has(all.out, "hf_secret")) << all.out;
  for (const char* name : {"--token", "--output", "--force", "--prompt", "--help", "--resume"})
    EXPECT_FALSE(has(all.out, std::string(" ") + name + " ")) << name;
  const ConfigFile file("[quantize]\nforce = true\n");
  EXPECT_EQ(gptq({"inspect", kDemo}).code, 2);
}

TEST(Config, ABadFileIsNamedWithItsLine) {
  const std::vector<std::tuple<std::string, int, std::string>> bad = {
      {"threads = \n", 1, "not TOML"},
      {"a\xff = 1\n", 1, "not TOML"},
      {"\n\n[quantise]\nbits = 4\n", 3, "did you mean quantize?"},
      {"[quantize]\n\nbit = 4\n", 3, "did you mean bits?"},
      {"thread = 1\n", 1, "did you mean threads?"},
      {"[generate]\n# hot\ntemperature = \"hot\"\n", 3, "number from 0 to 100"},
      {"[generate.more]\nx = 1\n", 1, "generate"},
      {"[generate]\nseed = 2020-01-01\n", 2, "seed"},
      {"[generate]\nstop = [[1]]\n", 2, "stop"},
      {"[generate]\ntemperature = [1, 2]\n", 2, "temperature"},
      {"[generate]\njson = \"perhaps\"\n", 2, "json"}};
  for (const auto& [text, line, part] : bad) {
    const ConfigFile file(text);
    const std::string place = file.path() + ":" + std::to_string(line) + ": ";
    const Outcome used = gptq({"generate", kDemo, "It was", "-n", "1"});
    EXPECT_EQ(used.code, 2) << text << used.err;
    EXPECT_EQ(used.out, "");
    EXPECT_TRUE(has(used.err, place)) << used.err << " lacks " << place;
    EXPECT_TRUE(has(used.err, part)) << used.err << " lacks " << part;
    const Outcome checked = gptq({"config", "show"});
    EXPECT_EQ(checked.code, 2) << text;
    EXPECT_TRUE(has(checked.err, place)) << checked.err;
    EXPECT_EQ(gptq({"generate", "--help"}).code, 0) << "help is always there";
  }
  const ConfigFile other("[quantize]\nbits = 5\n");
  EXPECT_EQ(gptq({"inspect", kDemo}).code, 0) << "values of other commands are not looked at";
  EXPECT_EQ(gptq({"config", "show"}).code, 2) << "but show checks them all";
}

TEST(Config, AVariableThatIsWrongIsNamed) {
  const Variable twin("GPTQ_BITS", "5");
  const Outcome outcome = gptq({"quantize", kDemo, "-o", "/nowhere/x", "--dry-run"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_TRUE(has(outcome.err, "GPTQ_BITS")) << outcome.err;
  EXPECT_TRUE(has(outcome.err, "5")) << outcome.err;
}

TEST(Config, WhatIsNoFileIsRefused) {
  for (const bool pipe : {false, true}) {
    const ConfigFile file("");
    fs::remove(file.path());
    pipe ? mkfifo(file.path().c_str(), 0600) : mkdir(file.path().c_str(), 0700);
    const Outcome outcome = gptq({"version"});
    EXPECT_EQ(outcome.code, 2) << outcome.err;
    EXPECT_TRUE(has(outcome.err, file.path())) << outcome.err;
  }
  const ConfigFile large(std::string(2 << 20, '#'));
  EXPECT_EQ(gptq({"version"}).code, 2);
}

TEST(Config, TextAndPath) {
  const ConfigFile file("[chat]\ntemperature = 0.5\n");
  EXPECT_EQ(gptq({"config", "path"}).out, file.path() + "\n");
  const Outcome chat = gptq({"config", "show", "chat"});
  EXPECT_EQ(chat.code, 0) << chat.err;
  EXPECT_TRUE(has(chat.err, file.path())) << chat.err;
  EXPECT_TRUE(has(chat.out, "file " + file.path() + ":2")) << chat.out;
  EXPECT_FALSE(has(chat.out, "quantize"));
  EXPECT_EQ(gptq({"config", "show", "chad"}).code, 2);
  const Variable home("XDG_CONFIG_HOME", ""), other("HOME", "/some/where");
  EXPECT_EQ(gptq({"config", "path"}).out, "/some/where/.config/gptq/config.toml\n");
  const Variable nowhere("HOME", "");
  EXPECT_EQ(gptq({"config", "path"}).code, 3);
  EXPECT_EQ(gptq({"version"}).code, 0);
}

}  // namespace
}  // namespace gptq::testing
