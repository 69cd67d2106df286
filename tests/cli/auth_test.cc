// gptq auth from outside: pipes, a terminal, JSON, and that tokens are never shown.
#include <nlohmann/json.hpp>

#include <pty.h>
#include <sys/ioctl.h>
#include <termios.h>

#include "core/json.h"
#include "tests/cli/process.h"
#include "tests/hub/local_hub.h"

namespace gptq::testing {
namespace {

class CliAuth : public ::testing::Test {
 protected:
  CliAuth() {
    hub_.add_user({.name = "ann",
                   .organizations = {"org"},
                   .tokens = {{.value = kToken, .name = "laptop", .role = "write"},
                              {.value = kFine, .name = "fine", .role = "fineGrained"}}});
    for (const char* name : {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH", "HF_HUB_OFFLINE", "HF_DEBUG",
                             "http_proxy", "ALL_PROXY", "all_proxy"}) {
      unsetenv(name);
    }
    setenv("HF_ENDPOINT", hub_.endpoint().c_str(), 1);
    setenv("HF_HOME", (scratch_ / "home").c_str(), 1);
  }
  ~CliAuth() override {
    for (const char* name : {"HF_ENDPOINT", "HF_HOME", "HF_TOKEN", "HF_DEBUG"}) unsetenv(name);
  }

  Outcome auth(std::vector<std::string> arguments, const std::string& input = "") {
    arguments.insert(arguments.begin(), "auth");
    Process process(arguments);
    process.write(input);
    const Outcome outcome = process.finish();
    for (const char* token : {kToken, kFine}) EXPECT_FALSE(has(outcome.out + outcome.err, token)) << outcome.err;
    return outcome;
  }

  static constexpr const char *kToken = "hf_neverprintthisABCD", *kFine = "hf_northisoneEFGH";
  Scratch scratch_;
  LocalHub hub_;
};

TEST_F(CliAuth, TheTokenComesThroughAPipe) {
  setenv("HF_DEBUG", "1", 1);
  const Outcome login = auth({"login"}, std::string(kToken) + "\n");
  EXPECT_EQ(login.code, 0) << login.err;
  EXPECT_TRUE(has(login.out, "ann")) << login.out;
  EXPECT_TRUE(has(login.out, "laptop, from " + (scratch_ / "home/token")));
  EXPECT_TRUE(has(login.err, "/api/whoami-v2"));
  EXPECT_EQ(read_whole(scratch_ / "home/token"), kToken);
  const Outcome list = auth({"list"});
  EXPECT_TRUE(has(list.out, "*  laptop  hf_…ABCD")) << list.out;
}

TEST_F(CliAuth, TheTokenComesAsAnOption) {
  EXPECT_EQ(auth({"login", "mine", "--token", kToken, "--json"}).code, 0);
  const Json list = Json::parse(auth({"list", "--json"}).out);
  EXPECT_EQ(list, Json::parse(R"({"logins": [{"name": "mine", "token": "hf_…ABCD", "active": true}]})"));
  const Json me = Json::parse(auth({"whoami", "--json"}).out);
  EXPECT_EQ(me.at("name"), "ann");
  EXPECT_EQ(me.at("organizations"), Json({"org"}));
  EXPECT_EQ(me.at("token_role"), "write");
}

TEST_F(CliAuth, TypingShowsNothing) {
  int terminal = -1;
  const pid_t child = forkpty(&terminal, nullptr, nullptr, nullptr);
  if (child == 0) {
    execl(GPTQ_BINARY, GPTQ_BINARY, "auth", "login", nullptr);
    _exit(127);
  }
  std::string screen;
  bool typed = false;
  char chunk[4096];
  for (ssize_t got = 0; (got = read(terminal, chunk, sizeof chunk)) > 0;) {
    screen.append(chunk, static_cast<size_t>(got));
    if (typed || !has(screen, "Token: ")) continue;
    typed = true;
    termios settings{};
    EXPECT_EQ(tcgetattr(terminal, &settings), 0);
    EXPECT_EQ(settings.c_lflag & ECHO, 0u);
    const std::string keys = std::string("wrong\x15") + kToken + "x\x7f\r";  // ^U and Backspace correct mistakes
    EXPECT_EQ(write(terminal, keys.data(), keys.size()), static_cast<ssize_t>(keys.size()));
  }
  int status = 0;
  waitpid(child, &status, 0);
  close(terminal);
  EXPECT_EQ(WEXITSTATUS(status), 0) << screen;
  EXPECT_TRUE(has(screen, "ann"));
  EXPECT_FALSE(has(screen, "neverprint")) << screen;
  EXPECT_EQ(read_whole(scratch_ / "home/token"), kToken);
}

TEST_F(CliAuth, WarnsOfTokensThatCannotReadGatedModels) {
  const Outcome login = auth({"login"}, kFine);
  EXPECT_EQ(login.code, 0);
  EXPECT_TRUE(has(login.err, "cannot read gated repositories")) << login.err;
}

TEST_F(CliAuth, SwitchesAndForgets) {
  auth({"login"}, kToken);
  auth({"login"}, kFine);
  const Outcome changed = auth({"switch", "laptop"});
  EXPECT_TRUE(has(changed.out, "*  laptop")) << changed.out;
  EXPECT_EQ(auth({"switch"}).code, 2);
  EXPECT_EQ(auth({"switch", "other"}).code, 3);
  EXPECT_EQ(auth({"logout", "fine"}).code, 0);
  EXPECT_EQ(auth({"logout"}).code, 0);
  const Outcome nobody = auth({"whoami"});
  EXPECT_EQ(nobody.code, 4);
  EXPECT_TRUE(has(nobody.err, "gptq auth login"));
  EXPECT_FALSE(fs::exists(scratch_ / "home/token"));
}

TEST_F(CliAuth, MistakesAreNamedButNeverTokens) {
  const Outcome misspelled = auth({"logn"});
  EXPECT_EQ(misspelled.code, 2);
  EXPECT_TRUE(has(misspelled.err, "did you mean login?"));
  EXPECT_EQ(auth({kToken}).code, 2);
  EXPECT_EQ(auth({"login", kToken}).code, 2);
  EXPECT_EQ(auth({"login", "--token", std::string(kToken) + " x"}).code, 4);
  const Outcome wrong = auth({"login"}, "hf_thisiswrong1234");
  EXPECT_EQ(wrong.code, 4);
  EXPECT_FALSE(has(wrong.err, "thisiswrong")) << wrong.err;
}

}  // namespace
}  // namespace gptq::testing
