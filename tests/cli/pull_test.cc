// gptq pull, gptq cache, and names of the Hub where a model folder may stand, against a Hub on loopback.
#include <stdlib.h>
#include <nlohmann/json.hpp>

#include "core/json.h"
#include "tests/cli/process.h"
#include "tests/hub/local_hub.h"

namespace gptq::testing {
namespace {

using Json = nlohmann::json;

class CliHub : public ::testing::Test {
 protected:
  CliHub() {
    for (const char* name : {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_HUB_CACHE", "HF_TOKEN_PATH", "HF_HUB_OFFLINE"})
      unsetenv(name);
    setenv("HF_HOME", (home_ / "hf").c_str(), 1);
    setenv("HF_ENDPOINT", hub_.endpoint().c_str(), 1);
    commit_ = hub_.commit_folder("org/demo", kDemo);
  }
  ~CliHub() override {
    for (const char* name : {"HF_HOME", "HF_ENDPOINT", "HF_HUB_OFFLINE"}) unsetenv(name);
  }
  std::string folder() const { return home_ / "hf" + "/hub/models--org--demo/snapshots/" + commit_; }

  LocalHub hub_;
  Scratch home_;
  std::string commit_;
};

TEST_F(CliHub, PullPrintsThePathAlone) {
  const Outcome pulled = gptq({"pull", "org/demo"});
  EXPECT_EQ(pulled.code, 0) << pulled.err;
  EXPECT_EQ(pulled.out, folder() + "\n");
  EXPECT_NE(pulled.err.find("100%"), std::string::npos);
  const Outcome again = gptq({"pull", "org/demo", "-q"});
  EXPECT_EQ(again.out, folder() + "\n");
  EXPECT_EQ(again.err, "");
  const Json json = Json::parse(gptq({"pull", "org/demo@main", "--json"}).out);
  EXPECT_EQ(json.at("folder"), folder());
  EXPECT_EQ(json.at("commit"), commit_);
  EXPECT_EQ(json.at("bytes_fetched"), 0);
  EXPECT_EQ(json.at("files").size(), 6u);
}

TEST_F(CliHub, PullTakesAndLeaves) {
  const Outcome plan = gptq({"pull", "org/demo", "--dry-run", "--include", "*.json", "--exclude", "gen*"});
  EXPECT_EQ(plan.code, 0) << plan.err;
  EXPECT_NE(plan.out.find("config.json"), std::string::npos);
  EXPECT_EQ(plan.out.find("model.safetensors"), std::string::npos);
  EXPECT_EQ(plan.out.find("generation_config.json"), std::string::npos);
  EXPECT_FALSE(fs::exists(home_ / "hf"));
  const Outcome here = gptq({"pull", "org/demo", "--local-dir", home_ / "here", "--revision", commit_});
  EXPECT_EQ(here.out, home_ / "here" + "\n");
  EXPECT_EQ(read_whole(home_ / "here" + "/model.safetensors"), read_whole(kDemo + "/model.safetensors"));
}

TEST_F(CliHub, AnUnsupportedArchitectureIsRefusedBeforeItsWeights) {
  const std::string config = R"({"architectures": ["GemmaForCausalLM"], "model_type": "gemma"})";
  const std::string commit =
      hub_.commit("org/gem", {{"config.json", config}, {"tokenizer.json", "{}"}, {"model.safetensors", "weights"}});
  for (const std::vector<std::string>& command : {std::vector<std::string>{"pull", "org/gem"},
                                                  {"pull", "org/gem", "--dry-run"},
                                                  {"inspect", "org/gem"},
                                                  {"quantize", "org/gem", "-o", home_ / "out"}}) {
    const Outcome refused = gptq(command);
    EXPECT_EQ(refused.code, 6) << command[0];
    EXPECT_EQ(refused.out, "");
    for (const char* part : {"runs here: no", "\"gemma\" is not supported", "supported are", "--include '*'"})
      EXPECT_TRUE(has(refused.err, part)) << part << " is not in " << refused.err;
  }
  EXPECT_EQ(hub_.server().count("", "model.safetensors"), 0);
  EXPECT_EQ(hub_.server().count("", "model.safetensors", Host::kStorage), 0);
  const Outcome asked = gptq({"pull", "org/gem", "--include", "*"});
  EXPECT_EQ(asked.code, 0) << asked.err;
  EXPECT_TRUE(has(asked.err, "runs here: no"));
  EXPECT_EQ(read_whole(home_ / "hf" + "/hub/models--org--gem/snapshots/" + commit + "/model.safetensors"), "weights");
}

TEST_F(CliHub, EveryCommandTakesNames) {
  EXPECT_EQ(gptq({"tokenize", "org/demo", "-p", "Hello"}).out, gptq({"tokenize", kDemo, "-p", "Hello"}).out);
  EXPECT_FALSE(fs::exists(folder() + "/model.safetensors")) << "a tokenizer needs no weights";
  EXPECT_EQ(gptq({"template", "org/demo", "--show"}).out, gptq({"template", kDemo, "--show"}).out);
  const Outcome first = gptq({"inspect", "org/demo@main"});
  EXPECT_NE(first.out.find(folder()), std::string::npos) << first.err;
  setenv("HF_HUB_OFFLINE", "1", 1);
  const std::vector<std::string> text = {"-p", "It was", "-n", "4", "--device", "cpu", "-q"};
  const auto with = [&](const std::string& model) {
    std::vector<std::string> arguments = {"generate", model};
    arguments.insert(arguments.end(), text.begin(), text.end());
    return gptq(arguments);
  };
  EXPECT_EQ(with("org/demo").out, with(kDemo).out);
  EXPECT_EQ(gptq({"quantize", "org/demo", "-o", home_ / "out", "--dry-run"}).code, 0);
}

TEST_F(CliHub, TextsOfStrangersDoNotSteerTheTerminal) {
  hub_.add_user({.name = "ann", .full_name = "An\x1b[31mn", .tokens = {{.value = "hf_ann", .name = "lap\x07top"}}});
  const Outcome identity = gptq({"auth", "whoami", "--token", "hf_ann"});
  EXPECT_EQ(identity.code, 0) << identity.err;
  EXPECT_NE(identity.out.find("An?[31mn"), std::string::npos);
  EXPECT_NE(identity.out.find("lap?top"), std::string::npos);
  const Outcome refused = gptq({"pull", "or\x1bg/none"});
  EXPECT_EQ(refused.err.find('\x1b'), std::string::npos);
}

TEST_F(CliHub, RefusalsHaveTheirExitCodes) {
  EXPECT_EQ(gptq({"pull", "org/none"}).code, 3);
  EXPECT_EQ(gptq({"pull", "a--b"}).code, 2);
  const Outcome missing = gptq({"inspect", "org/none"});
  EXPECT_EQ(missing.code, 3);
  EXPECT_NE(missing.err.find("no folder org/none exists"), std::string::npos) << missing.err;
  hub_.edit("org/demo", [](HubRepo& repo) { repo.gated = "manual"; });
  const Outcome gated = gptq({"pull", "org/demo"});
  EXPECT_EQ(gated.code, 4);
  EXPECT_EQ(gated.out, "");
  EXPECT_NE(gated.err.find("gptq auth login"), std::string::npos) << gated.err;
  hub_.edit("org/demo", [](HubRepo& repo) { repo.gated = ""; });
  hub_.server().add_fault(Fault::flip("model.safetensors", 1000).on(Host::kStorage).repeated(-1));
  EXPECT_EQ(gptq({"pull", "org/demo"}).code, 6);
}

TEST_F(CliHub, CtrlCKeepsWhatArrived) {
  hub_.server().add_fault(Fault::slow("model.safetensors", 2'000'000).on(Host::kStorage));
  Process process({"pull", "org/demo"});
  const std::string blobs = home_ / "hf" + "/hub/models--org--demo/blobs";
  const auto partial = [&]() -> uintmax_t {
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(blobs, ignored)) {
      if (entry.path().extension() == ".incomplete") return entry.file_size(ignored);
    }
    return 0;
  };
  ASSERT_TRUE(Process::wait_until([&] { return partial() > 100'000; }));
  process.send(SIGINT);
  const Outcome stopped = process.finish();
  EXPECT_EQ(stopped.code, 130);
  EXPECT_NE(stopped.err.find("run the same command again"), std::string::npos) << stopped.err;
  EXPECT_GT(partial(), 100'000u);
  EXPECT_EQ(gptq({"pull", "org/demo"}).out, folder() + "\n");
}

TEST_F(CliHub, TheCacheIsShownCheckedAndCleaned) {
  ASSERT_EQ(gptq({"pull", "org/demo"}).code, 0);
  EXPECT_NE(gptq({"cache", "ls"}).out.find("org/demo"), std::string::npos);
  EXPECT_EQ(Json::parse(gptq({"cache", "ls", "--json"}).out).at(0).at("id"), "org/demo");
  EXPECT_EQ(gptq({"cache", "verify"}).code, 0);
  std::ofstream(folder() + "/config.json", std::ios::app) << "x";
  const Outcome damaged = gptq({"cache", "verify", "org/demo"});
  EXPECT_EQ(damaged.code, 6);
  EXPECT_NE(damaged.out.find("damaged"), std::string::npos);
  EXPECT_EQ(gptq({"cache", "rm"}).code, 2);
  EXPECT_EQ(gptq({"cache", "rm", "org/demo"}).code, 0);
  EXPECT_EQ(gptq({"cache", "rm", "org/demo"}).code, 3);
  EXPECT_EQ(gptq({"cache", "sweep"}).code, 2);
}

}  // namespace
}  // namespace gptq::testing
