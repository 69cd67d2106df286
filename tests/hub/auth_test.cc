// Logging in and out: where tokens lie, what they are said to be allowed, and that none is ever seen.
#include <sys/stat.h>

#include <gptq/gptq.h>

#include "core/log.h"
#include "hub/auth/whoami.h"
#include "tests/hub/fixture.h"

namespace gptq {

namespace {

using testing::contains;
using testing::Fault;
using testing::read_whole;

class AuthTest : public testing::HubTest {
 protected:
  AuthTest() {
    hub_.add_user({.name = "ann",
                   .full_name = "Ann A.",
                   .organizations = {"org"},
                   .tokens = {{.value = kRead, .name = "laptop"},
                              {.value = kWrite, .name = "server", .role = "write"},
                              {.value = kFine, .name = "narrow", .role = "fineGrained", .can_write = true}}});
    set_log_sink([this](LogLevel, const std::string& text) { said_ += text + "\n"; });
  }
  ~AuthTest() override {
    set_log_sink({});
    for (const char* token : {kRead, kWrite, kFine}) EXPECT_EQ(said_.find(token), std::string::npos) << said_;
  }

  fs::path file(const std::string& name) const { return scratch_ / "home" / name; }
  static int mode(const fs::path& path) {
    struct stat info {};
    return ::stat(path.c_str(), &info) == 0 ? static_cast<int>(info.st_mode & 0777) : -1;
  }
  template <typename Call>
  static Error error_of(const Call& call) {
    try {
      call();
    } catch (const Error& error) {
      for (const char* token : {kRead, kWrite, kFine})
        EXPECT_EQ(std::string(error.what()).find(token), std::string::npos) << error.what();
      return error;
    }
    ADD_FAILURE() << "nothing was thrown";
    return Error(ErrorKind::kGeneral, "");
  }

  static constexpr const char *kRead = "hf_readreadreadABCD", *kWrite = "hf_writewritewrEFGH",
                              *kFine = "hf_finefinefineIJKL";
  std::string said_;
};

TEST_F(AuthTest, ALoginIsCheckedOnceAndStoredForTheOwnerAlone) {
  const Identity identity = log_in(std::string(" ") + kRead + "\r\n");
  EXPECT_EQ(identity.name, "ann");
  EXPECT_EQ(identity.full_name, "Ann A.");
  EXPECT_EQ(identity.organizations, std::vector<std::string>{"org"});
  EXPECT_EQ(identity.token_name, "laptop");
  EXPECT_EQ(identity.token_role, "read");
  EXPECT_EQ(identity.token_source, file("token").string());
  EXPECT_EQ(requests(), 1);
  EXPECT_EQ(read_whole(file("token")), kRead);
  EXPECT_EQ(read_whole(file("stored_tokens")), std::string("[laptop]\nhf_token = ") + kRead + "\n\n");
  EXPECT_EQ(mode(file("token")), 0600);
  EXPECT_EQ(mode(file("stored_tokens")), 0600);
  EXPECT_EQ(mode(file("")), 0700);
}

TEST_F(AuthTest, TheFilesCanLieElsewhere) {
  environment_.set("HF_TOKEN_PATH", (scratch_ / "elsewhere" / "mine").string());
  log_in(kRead);
  EXPECT_EQ(read_whole(scratch_ / "elsewhere" / "mine"), kRead);
  EXPECT_TRUE(fs::exists(scratch_ / "elsewhere" / "stored_tokens"));
  EXPECT_FALSE(fs::exists(file("stored_tokens")));
}

TEST_F(AuthTest, AWrongTokenIsNotStored) {
  const Error error = error_of([] { log_in("hf_wrongwrong1234"); });
  EXPECT_EQ(error.kind(), ErrorKind::kPermission);
  EXPECT_EQ(contains(error.what(), {"--token", "is invalid", "/settings/tokens"}), "");
  EXPECT_FALSE(fs::exists(file("token")));
  EXPECT_FALSE(fs::exists(file("stored_tokens")));
  EXPECT_EQ(error_of([] { log_in(" \n"); }).kind(), ErrorKind::kUsage);
  EXPECT_EQ(error_of([] { log_in("hf_two words"); }).kind(), ErrorKind::kPermission);
  EXPECT_EQ(requests(), 1);
}

TEST_F(AuthTest, SeveralLoginsAreKeptAndSwitched) {
  log_in(kRead);
  log_in(kWrite, "mine");
  const std::vector<StoredLogin> logins = stored_logins();
  ASSERT_EQ(logins.size(), 2u);
  EXPECT_EQ(logins[0].name, "laptop");
  EXPECT_FALSE(logins[0].active);
  EXPECT_EQ(logins[1].name, "mine");
  EXPECT_EQ(logins[1].redacted, "hf_…EFGH");
  EXPECT_TRUE(logins[1].active);
  switch_login("laptop");
  EXPECT_EQ(read_whole(file("token")), kRead);
  EXPECT_EQ(who_am_i().token_name, "laptop");
  const Error error = error_of([] { switch_login("other"); });
  EXPECT_EQ(error.kind(), ErrorKind::kNotFound);
  EXPECT_EQ(contains(error.what(), {"other", "laptop, mine"}), "");
}

TEST_F(AuthTest, LoggingOutForgetsOneOrAll) {
  log_in(kRead);
  log_in(kWrite);
  log_out("laptop");
  EXPECT_EQ(read_whole(file("token")), kWrite);  // the active one was another
  log_out("server");
  EXPECT_FALSE(fs::exists(file("token")));
  EXPECT_TRUE(stored_logins().empty());
  log_in(kRead);
  log_in(kWrite);
  log_out();
  EXPECT_FALSE(fs::exists(file("token")));
  EXPECT_FALSE(fs::exists(file("stored_tokens")));
  EXPECT_EQ(error_of([] { log_out("laptop"); }).kind(), ErrorKind::kNotFound);
}

TEST_F(AuthTest, TheVariableGoesFirstAndPeopleAreTold) {
  log_in(kRead);
  environment_.set("HF_TOKEN", kWrite);
  EXPECT_EQ(who_am_i().token_name, "server");
  EXPECT_EQ(who_am_i().token_source, "HF_TOKEN");
  EXPECT_EQ(who_am_i(kFine).token_name, "narrow");
  switch_login("laptop");
  EXPECT_EQ(contains(said_, {"laptop", "HF_TOKEN is set"}), "");
  said_.clear();
  log_out();
  EXPECT_EQ(contains(said_, {"HF_TOKEN", "still logs you in"}), "");
}

TEST_F(AuthTest, SaysWhatAFineGrainedTokenMay) {
  const Identity identity = log_in(kFine);
  EXPECT_FALSE(identity.reads_gated);
  EXPECT_EQ(identity.permissions, std::vector<std::string>{"repo.write (ann)"});
}

TEST_F(AuthTest, NobodyIsLoggedInWithoutAToken) {
  const Error error = error_of([] { who_am_i(); });
  EXPECT_EQ(error.kind(), ErrorKind::kPermission);
  EXPECT_EQ(contains(error.what(), {file("token").string(), "gptq auth login"}), "");
  EXPECT_EQ(requests(), 0);
  EXPECT_TRUE(stored_logins().empty());
}

TEST_F(AuthTest, AHubThatFailsIsNotAWrongToken) {
  hub_.server().add_fault(Fault::refuse("whoami", 503, "", "maintenance"));
  EXPECT_EQ(error_of([] { log_in(kRead); }).kind(), ErrorKind::kNetwork);
  hub_.server().add_fault(Fault::refuse("whoami", 429, "", "slow down", {{"Retry-After", "77"}}));
  EXPECT_EQ(contains(error_of([] { log_in(kRead); }).what(), {"77 s"}), "");
  hub_.server().add_fault(Fault::body("whoami", "<html>hotel</html>", "text/html"));
  EXPECT_EQ(error_of([] { log_in(kRead); }).kind(), ErrorKind::kVerification);
  environment_.set("HF_HUB_OFFLINE", "1");
  EXPECT_EQ(contains(error_of([] { log_in(kRead); }).what(), {"offline mode"}), "");
  EXPECT_FALSE(fs::exists(file("token")));
}

TEST_F(AuthTest, RequestsAreLoggedWithoutTokens) {
  environment_.set("HF_DEBUG", "1");
  log_in(kRead);  // the destructor looks for tokens in what was said
  pull();
  EXPECT_EQ(contains(said_, {"/api/whoami-v2", "model.safetensors"}), "");
  EXPECT_EQ(said_.find("signature="), std::string::npos) << said_;
}

TEST_F(AuthTest, TheTokenGoesToTheHubAlone) {
  log_in(kRead);
  pull();
  int elsewhere = 0;
  for (const testing::Request& request : hub_.server().requests()) {
    const bool storage = request.host == testing::Host::kStorage;
    elsewhere += storage ? 1 : 0;
    EXPECT_EQ(request.header("authorization"), storage ? "" : std::string("Bearer ") + kRead) << request.target;
  }
  EXPECT_GT(elsewhere, 0);
}

TEST(Whoami, RefusesOtherAnswers) {
  for (const char* json :
       {"[]", "{}", R"({"name": 3})", R"({"name": "a", "orgs": {}})", R"({"name": "a", "orgs": [1]})",
        R"({"name": "a", "auth": 1})", R"({"name": "a", "auth": {"accessToken": []}})",
        R"({"name": "a", "auth": {"accessToken": {"fineGrained": {"scoped": 1}}}})"}) {
    EXPECT_THROW(hub::parse_identity(json, "the answer"), Error) << json;
  }
  const Identity minimal = hub::parse_identity(R"({"name": "a", "auth": null})", "the answer");
  EXPECT_EQ(minimal.token_name, "token");
  EXPECT_TRUE(minimal.reads_gated);
}

}  // namespace

}  // namespace gptq
