// gptq quantize, push and pull, one after the other, as people do.
#include <nlohmann/json.hpp>

#include "core/json.h"
#include "tests/cli/process.h"
#include "tests/hub/local_hub.h"

namespace gptq::testing {
namespace {

class CliPush : public ::testing::Test {
 protected:
  CliPush() {
    hub_.add_user({.name = "ann", .tokens = {{.value = "hf_annwritewrite", .role = "write"}}});
    hub_.commit_folder("ann/demo", std::string(GPTQ_SOURCE_DIR) + "/models/demo");
    unsetenv("HF_HUB_OFFLINE");
    setenv("HF_ENDPOINT", hub_.endpoint().c_str(), 1);
    setenv("HF_HOME", (scratch_ / "home").c_str(), 1);
    setenv("HF_TOKEN", "hf_annwritewrite", 1);
  }
  ~CliPush() override {
    for (const char* name : {"HF_ENDPOINT", "HF_HOME", "HF_TOKEN"}) unsetenv(name);
  }

  Scratch scratch_;
  LocalHub hub_;
};

TEST_F(CliPush, TheWholeJourney) {
  const std::string out = scratch_ / "demo-4bit";
  const Outcome made =
      gptq({"quantize", "ann/demo", "-o", out, "--samples", "4", "--seqlen", "512", "--gptaq", "0", "-q"});
  ASSERT_EQ(made.code, 0) << made.err;
  const Json meta = Json::parse(read_whole(out + "/quantize_config.json")).at("meta");
  EXPECT_EQ(meta.at("base_model").at("id"), "ann/demo");
  EXPECT_EQ(meta.at("base_model").at("license"), "cc0-1.0");
  EXPECT_EQ(meta.at("errors").at("modules"), 42);
  EXPECT_GE(meta.at("errors").at("largest"), meta.at("errors").at("mean"));
  for (const auto& [folder, file] : {std::pair{"ann/demo", "before.json"}, std::pair{out.c_str(), "after.json"}}) {
    const Outcome measured =
        gptq({"perplexity", folder, "--text", std::string(GPTQ_SOURCE_DIR) + "/tests/cli/push_test.cc", "--window",
              "256", "--json"});
    ASSERT_EQ(measured.code, 0) << measured.err;
    write_whole(scratch_ / file, measured.out);
  }

  const Outcome pushed = gptq({"push", out, "ann/demo-4bit", "--private", "--perplexity-before",
                               scratch_ / "before.json", "--perplexity-after", scratch_ / "after.json"});
  ASSERT_EQ(pushed.code, 0) << pushed.err;
  EXPECT_EQ(pushed.out,
            hub_.endpoint() + "/ann/demo-4bit/commit/" + hub_.repo("ann/demo-4bit").branches.at("main") + "\n");
  EXPECT_TRUE(hub_.repo("ann/demo-4bit").is_private);
  const std::string card = hub_.content("ann/demo-4bit", "README.md");
  for (const char* part :
       {"base_model: ann/demo\n", "license: cc0-1.0\n", "| perplexity | ", "(push_test.cc, windows of 256 tokens)"})
    EXPECT_TRUE(has(card, part)) << part << " is not in " << card;

  const Json again = Json::parse(gptq({"push", out, "ann/demo-4bit", "--json"}).out);
  EXPECT_EQ(again.at("bytes_sent"), 0);
  const Outcome answer = gptq({"generate", "ann/demo-4bit", "-p", "It was", "-n", "3", "--temperature", "0"});
  EXPECT_EQ(answer.code, 0) << answer.err;
  EXPECT_EQ(answer.out, gptq({"generate", out, "-p", "It was", "-n", "3", "--temperature", "0"}).out);
}

TEST_F(CliPush, ANameAloneIsTheUsersOwn) {
  const Outcome pushed = gptq({"push", std::string(GPTQ_SOURCE_DIR) + "/models/demo", "own"});
  EXPECT_EQ(pushed.code, 0) << pushed.err;
  EXPECT_TRUE(pushed.out.starts_with(hub_.endpoint() + "/ann/own")) << pushed.out;
  EXPECT_TRUE(hub_.has("ann/own"));
}

TEST_F(CliPush, RefusalsHaveExitCodes) {
  const std::string demo = std::string(GPTQ_SOURCE_DIR) + "/models/demo";
  EXPECT_EQ(gptq({"push", demo, "a--b"}).code, 2);
  EXPECT_EQ(gptq({"push", scratch_ / "nothing", "ann/demo"}).code, 3);
  EXPECT_EQ(gptq({"push", demo, "stranger/demo"}).code, 4);
  unsetenv("HF_TOKEN");
  const Outcome nobody = gptq({"push", demo, "ann/demo"});
  EXPECT_EQ(nobody.code, 4);
  EXPECT_TRUE(has(nobody.err, "gptq auth login"));
  EXPECT_EQ(nobody.out, "");
}

}  // namespace
}  // namespace gptq::testing
