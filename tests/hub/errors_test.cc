// What people read when the Hub refuses: every row of the table says what is wrong and what to do.
#include "core/log.h"
#include "tests/hub/fixture.h"

namespace gptq::testing {

namespace {

class ErrorsTest : public HubTest {
 protected:
  ErrorsTest() {
    hub_.add_user({.name = "ann", .tokens = {{.value = "hf_ann"}, {.value = "hf_annfine", .role = "fineGrained"}}});
  }
  void gate(const std::string& mode = "manual") {
    hub_.edit(kId, [&](HubRepo& repo) { repo.gated = mode; });
  }
  void expect(const Error& error, ErrorKind kind, const std::vector<std::string>& parts) {
    EXPECT_EQ(error.kind(), kind) << error.what();
    EXPECT_EQ(contains(error.what(), parts), "");
    EXPECT_EQ(std::string(error.what()).find("hf_ann"), std::string::npos) << "a token is shown: " << error.what();
  }
  std::string page() { return hub_.endpoint() + "/org/tiny"; }
};

TEST_F(ErrorsTest, GatedAndNotLoggedIn) {
  gate();
  expect(error_of_pull(), ErrorKind::kPermission,
         {"gated", "not logged in", page(), "gptq auth login", "HF_TOKEN", "request id"});
}

TEST_F(ErrorsTest, GatedAndNotAccepted) {
  gate();
  environment_.set("HF_TOKEN", "hf_ann");
  expect(error_of_pull(), ErrorKind::kPermission, {"gated", "HF_TOKEN", "has not accepted its terms", page()});
}

TEST_F(ErrorsTest, AwaitingReview) {
  gate();
  hub_.edit(kId, [](HubRepo& repo) { repo.awaiting.insert("ann"); });
  environment_.set("HF_TOKEN", "hf_ann");
  expect(error_of_pull(), ErrorKind::kPermission, {"requested", "not approved it yet"});
}

TEST_F(ErrorsTest, TheTokenLacksThePermission) {
  gate();
  hub_.edit(kId, [](HubRepo& repo) { repo.accepted.insert("ann"); });
  environment_.set("HF_TOKEN", "hf_annfine");
  expect(error_of_pull(), ErrorKind::kPermission,
         {"HF_TOKEN", "lacks a permission", "fine-grained", hub_.endpoint() + "/settings/tokens"});
}

TEST_F(ErrorsTest, TakenDown) {
  hub_.edit(kId, [](HubRepo& repo) { repo.disabled = true; });
  expect(error_of_pull(), ErrorKind::kPermission, {"disabled", kId});
}

TEST_F(ErrorsTest, PaymentAndLawAreNoConnectionErrorsEither) {
  hub_.server().add_fault(Fault::refuse("/api/models", 402, "", "Private repository storage limit reached"));
  expect(error_of_pull(), ErrorKind::kPermission, {"paid plan", "storage limit", "/settings/billing"});
  hub_.server().add_fault(Fault::refuse("/api/models", 451, "", "Taken down at the request of a court"));
  expect(error_of_pull(), ErrorKind::kPermission, {"legal reasons", kId, "court"});
}

TEST_F(ErrorsTest, NotFoundOrPrivate) {
  expect(error_of_pull({}, "org/none"), ErrorKind::kNotFound, {"org/none", "private", "spelling", "gptq auth login"});
  hub_.edit(kId, [](HubRepo& repo) { repo.is_private = true; });
  expect(error_of_pull(), ErrorKind::kNotFound, {kId, "private"});
  environment_.set("HF_TOKEN", "hf_ann");
  expect(error_of_pull({}, "other/none"), ErrorKind::kNotFound, {"other/none", "private", "HF_TOKEN"});
}

TEST_F(ErrorsTest, AWrongTokenIsNamedByItsSource) {
  environment_.set("HF_TOKEN", "hf_wrong");
  expect(error_of_pull(), ErrorKind::kPermission, {"the token from HF_TOKEN", "is invalid", "unset the variable"});
  environment_.unset("HF_TOKEN");
  const fs::path file = scratch_ / "home" / "token";
  write_whole(file, "hf_wrong");
  expect(error_of_pull(), ErrorKind::kPermission, {"the token from " + file.string(), "is invalid"});
}

TEST_F(ErrorsTest, NoSuchRevision) {
  hub_.commit(kId, {{"config.json", "{}"}}, "dev");
  hub_.edit(kId, [&](HubRepo& repo) { repo.tags["v1"] = commit_; });
  expect(error_of_pull({}, "org/tiny@v9"), ErrorKind::kNotFound,
         {"no revision \"v9\"", page(), "it has dev, main, v1"});
  EXPECT_EQ(requests(), 2);
}

TEST_F(ErrorsTest, ANameThatIsNearlyRightIsCompleted) {
  hub_.commit("org/other-tiny", {{"config.json", "{}"}});
  expect(error_of_pull({}, "orgs/tiny"), ErrorKind::kNotFound,
         {"orgs/tiny was not found", "did you mean org/other-tiny or org/tiny?"});
  EXPECT_EQ(std::string(error_of_pull({}, "org/nothing-like-it").what()).find("did you mean"), std::string::npos);
  hub_.server().add_fault(Fault::body("/api/models", "[1, {\"id\": 5}, {\"id\": \"x\\u001b[31m\"}]").after(1));
  EXPECT_EQ(std::string(error_of_pull({}, "org/none").what()).find('\x1b'), std::string::npos);
}

TEST_F(ErrorsTest, WhatTheHubWantsToSayIsPassedOnOnce) {
  std::string said;
  set_log_sink([&](LogLevel level, const std::string& text) {
    if (level == LogLevel::kWarning) said += text + "\n";
  });
  hub_.server().add_fault(Fault{.path = "/api/models", .times = -1, .edit = [](const Request&, Response& response) {
                                  response.set("X-HF-Warning", "deprecation; the API of 2019 ends in May");
                                }});
  pull();
  pull();
  set_log_sink({});
  EXPECT_EQ(said, "the Hub says: the API of 2019 ends in May\n");
}

TEST_F(ErrorsTest, NoSuchFile) {
  hub_.server().add_fault(
      Fault::refuse("tokenizer.json", 404, "EntryNotFound", "Entry not found").of("HEAD").repeated(-1));
  expect(error_of_pull(), ErrorKind::kNotFound, {"no file tokenizer.json", commit_});
}

TEST_F(ErrorsTest, RateLimited) {
  hub_.server().add_fault(Fault::refuse("/api/models", 429, "", "", {{"ratelimit", "\"api\";r=0;t=42"}}).repeated(-1));
  expect(error_of_pull(), ErrorKind::kNetwork, {"rate limit", "wait 42 s", "log in", "5 times"});
}

TEST_F(ErrorsTest, TheServerFails) {
  hub_.server().add_fault(Fault::refuse("/api/models", 503, "", "overloaded").repeated(-1));
  expect(error_of_pull(), ErrorKind::kNetwork, {"503", "overloaded", "later", "5 times"});
}

TEST_F(ErrorsTest, NotAHub) {
  hub_.server().add_fault(Fault::body("/api/models", "<html>Welcome to our hotel</html>", "text/html").repeated(-1));
  expect(error_of_pull(), ErrorKind::kVerification, {"listing", hub_.endpoint(), "HF_ENDPOINT", "login page"});
  environment_.set("HF_ENDPOINT", hub_.server().url(Host::kStorage));
  const Error error = error_of_pull();
  EXPECT_EQ(contains(error.what(), {hub_.server().url(Host::kStorage)}), "");
}

TEST_F(ErrorsTest, NobodyIsThere) {
  environment_.set("HF_ENDPOINT", "http://127.0.0.1:1");
  expect(error_of_pull(), ErrorKind::kNetwork, {"connection", "http://127.0.0.1:1", "HF_ENDPOINT"});
}

TEST_F(ErrorsTest, OfflineIsNoNetworkError) {
  environment_.set("HF_HUB_OFFLINE", "1");
  expect(error_of_pull(), ErrorKind::kNotFound, {kId, "offline mode is on (HF_HUB_OFFLINE)", cache().string()});
  EXPECT_EQ(requests(), 0);
}

TEST_F(ErrorsTest, ARefusalWhileFetchingIsExplainedToo) {
  hub_.server().add_fault(
      Fault::refuse("config.json", 403, "GatedRepo", "Access to model org/tiny is restricted").of("HEAD").repeated(-1));
  environment_.set("HF_TOKEN", "hf_ann");
  expect(error_of_pull(), ErrorKind::kPermission, {"gated", "config.json"});
}

TEST_F(ErrorsTest, ControlCharactersOfTheServerDoNotReachTheTerminal) {
  hub_.server().add_fault(
      Fault{.path = "/api/models", .times = -1, .instead = true, .edit = [](const Request&, Response& response) {
              response.status = 403;
              response.text("{\"error\": \"\\u001b[31mred\\u0007\"}");
            }});
  const std::string text = error_of_pull().what();
  EXPECT_NE(text.find("red"), std::string::npos);
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
}

}  // namespace

}  // namespace gptq::testing
