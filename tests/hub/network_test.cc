// Networks and servers that misbehave below HTTP's meaning: names, addresses, slowness, sizes, control characters.
#include "core/log.h"
#include "hub/http/http.h"
#include "hub/http/session.h"
#include "tests/hub/fixture.h"

namespace gptq::testing {

namespace {

constexpr const char* kWeightsName = "model.safetensors";
// A label of more than 63 letters: refused by the resolver itself, whatever the network says about names.
const std::string kNoHost = "http://" + std::string(64, 'x') + ".invalid";

class NetworkTest : public HubTest {
 protected:
  HttpServer& server() { return hub_.server(); }
  hub::Session session() {
    hub::Session session = hub::open_session("");
    session.clock = &clock_;
    session.settings.low_speed_time = low_speed_time_;
    return session;
  }
  // One GET of a path on the endpoint.
  hub::HttpResponse get(const std::string& path, int tries = 1) {
    const hub::Session ours = session();
    hub::HttpClient client(ours.settings);
    hub::HttpRequest request;
    request.url = ours.settings.endpoint + path;
    return hub::request_with_retries(ours, client, request, tries);
  }
  // The storage's addresses lead elsewhere, `times` times.
  void lead_weights_to(const std::string& location, int times) {
    server().add_fault(
        Fault{.method = "HEAD", .path = kWeightsName, .times = times, .edit = [=](const Request&, Response& response) {
                response.set("Location", location);
              }});
  }
};

TEST_F(NetworkTest, AHostNameThatDoesNotResolveIsTriedAgainAndExplained) {
  environment_.set("HF_ENDPOINT", kNoHost);
  const Error error = error_of_pull();
  EXPECT_EQ(error.kind(), ErrorKind::kNetwork) << error.what();
  EXPECT_EQ(contains(error.what(), {"resolve", "tried 5 times", "check the network", "HF_ENDPOINT"}), "");
  EXPECT_GT(clock_.slept(), 0);
}

TEST_F(NetworkTest, AStorageHostThatDoesNotResolveForAMomentIsTriedAgain) {
  lead_weights_to(kNoHost + "/x/" + kWeightsName, 2);
  pull();
  EXPECT_EQ(read_whole(snapshot() / kWeightsName), weights_);
}

TEST_F(NetworkTest, AStorageHostThatNeverResolvesIsANetworkError) {
  lead_weights_to(kNoHost + "/x/" + kWeightsName, -1);
  const Error error = error_of_pull();
  EXPECT_EQ(error.kind(), ErrorKind::kNetwork) << error.what();
  EXPECT_EQ(contains(error.what(), {kWeightsName, "resolve"}), "");
}

TEST_F(NetworkTest, UserInformationInARedirectIsNotSent) {
  const auto with_user = [](std::string url) { return url.insert(url.find("//") + 2, "ann:secret@"); };
  const std::string storage = with_user(server().url(Host::kStorage)) + "/elsewhere/config.json";
  server().add_fault(Fault::redirect("config.json", storage, 302).of("GET").repeated(-1));
  error_of_pull();
  EXPECT_GT(server().count("GET", "/elsewhere/", Host::kStorage), 0);
  server().add_fault(Fault::redirect("/api/first", with_user(hub_.endpoint()) + "/api/second"));
  get("/api/first");
  EXPECT_EQ(server().count("GET", "/api/second"), 1);
  for (const Request& request : server().requests()) EXPECT_EQ(request.header("authorization"), "") << request.target;
}

TEST_F(NetworkTest, UserInformationOfTheEndpointGoesToItsHostAloneAndIsNotShown) {
  std::string said, endpoint = hub_.endpoint();
  set_log_sink([&](LogLevel, const std::string& text) { said += text + "\n"; });
  environment_.set("HF_ENDPOINT", endpoint.insert(7, "ann:s%65cret@"));
  environment_.set("HF_DEBUG", "1");
  get("/api/first");
  hub::HttpClient client(session().settings);
  client.send({.url = server().url(Host::kStorage) + "/second"});
  server().add_fault(Fault::refuse("/api/models", 500, "", "").repeated(-1));
  said += error_of_pull({}, "org/none").what();
  set_log_sink({});
  EXPECT_EQ(contains(said, {"HF_DEBUG: GET " + hub_.endpoint() + "/api/first", "/second"}), "");
  EXPECT_EQ(server().count("GET", "/second", Host::kStorage), 1);
  EXPECT_EQ(said.find("cret"), std::string::npos) << said;
  for (const Request& request : server().requests()) {
    const bool to_hub = request.host == Host::kHub;
    EXPECT_EQ(request.header("authorization"), to_hub ? "Basic YW5uOnNlY3JldA==" : "") << request.target;
  }
  environment_.set("HF_ENDPOINT", "ftp://ann:secret@host");
  EXPECT_EQ(std::string(error_of_pull().what()).find("secret"), std::string::npos);
}

TEST_F(NetworkTest, AddressesAreTakenApart) {
  std::string user;
  EXPECT_EQ(hub::without_user_info("http://a%20b:c@host:81/x?y=1@2", &user), "http://host:81/x?y=1@2");
  EXPECT_EQ(user, "a b:c");
  EXPECT_EQ(hub::without_user_info("http://host/a@b", &user), "http://host/a@b");
  EXPECT_EQ(user, "");
  EXPECT_EQ(hub::without_user_info("http://a@host/", &user), "http://host/");
  EXPECT_EQ(hub::host_of("http://a:b@Host/"), hub::host_of("http://host:80"));
}

TEST_F(NetworkTest, AFileThatDripsIsGivenUpAndRepeated) {
  low_speed_time_ = 1;
  environment_.set("HF_HUB_DOWNLOAD_TIMEOUT", "1");
  server().add_fault(Fault::slow(kWeightsName, 2).on(Host::kStorage));
  pull();
  EXPECT_EQ(read_whole(snapshot() / kWeightsName), weights_);
  EXPECT_EQ(server().count("GET", kWeightsName, Host::kStorage), 2);
}

TEST_F(NetworkTest, DripsAreNoProgress) {  // else a file would be asked for without end
  low_speed_time_ = 1;
  environment_.set("HF_HUB_DOWNLOAD_TIMEOUT", "1");
  server().add_fault(Fault::slow(kWeightsName, 2).on(Host::kStorage).repeated(-1));
  PullOptions options;
  options.max_workers = 1;
  const Error error = error_of_pull(options);
  EXPECT_EQ(error.kind(), ErrorKind::kNetwork);
  EXPECT_EQ(contains(error.what(), {"less than 200 bytes per second for 1 s", kWeightsName}), "");
}

TEST_F(NetworkTest, AListingThatDripsIsGivenUpAndRepeated) {
  low_speed_time_ = 1;
  environment_.set("HF_HUB_ETAG_TIMEOUT", "1");
  server().add_fault(Fault::slow("/revision/", 2));
  const hub::HttpResponse response = get("/api/models/org/tiny/revision/main?blobs=true", 2);
  EXPECT_TRUE(response.ok()) << response.failure;
  EXPECT_EQ(response.tries, 2);
}

TEST_F(NetworkTest, BodiesOfErrorsAreReadUpToALimit) {
  const auto answer = [&](int status, size_t size) {
    server().add_fault(Fault{.path = "/api/x", .instead = true, .edit = [=](const Request&, Response& response) {
                               response.status = status;
                               response.text(std::string(size, '['));
                             }});
    return get("/api/x");
  };
  EXPECT_EQ(answer(404, 60'000).body.size(), 60'000u);
  for (const int status : {404, 500}) {
    const hub::HttpResponse cut = answer(status, 60'000'000);
    EXPECT_EQ(cut.status, status);
    EXPECT_TRUE(cut.body.empty()) << cut.body.size();
    EXPECT_EQ(cut.failure, "") << "the status says enough";
  }
  EXPECT_EQ(answer(200, 1'000'000).body.size(), 1'000'000u);
  EXPECT_EQ(contains(answer(200, 68'000'000).failure, {"larger than 64 MiB"}), "");
  EXPECT_EQ(get("/api/none").status, 404) << "and the client goes on";
}

TEST_F(NetworkTest, AnErrorOfManyBracketsIsExplainedByItsStatus) {
  server().add_fault(Fault{.path = "/api/models", .instead = true, .edit = [](const Request&, Response& response) {
                             response.status = 403;
                             response.text(std::string(60'000, '['));
                           }});
  EXPECT_EQ(error_of_pull().kind(), ErrorKind::kPermission);
}

TEST_F(NetworkTest, ListingsOfTooManyValuesAreRefused) {
  std::string siblings = "[{}";
  for (int i = 0; i < 2'500'000; ++i) siblings += ",{}";
  server().add_fault(Fault::body("/revision/", R"({"sha":")" + commit_ + R"(","siblings":)" + siblings + "]}"));
  Error error = error_of_pull();
  EXPECT_EQ(error.kind(), ErrorKind::kVerification);
  EXPECT_EQ(contains(error.what(), {"more than 4000000 JSON values"}), "");
  server().add_fault(Fault::body("/revision/", std::string(1'000'000, '[')));
  EXPECT_EQ(contains(error_of_pull().what(), {"nested deeper than 32"}), "");
}

TEST_F(NetworkTest, WarningsOfTheHubDoNotSteerTheTerminal) {
  std::string said;
  set_log_sink([&](LogLevel level, const std::string& text) {
    if (level == LogLevel::kWarning) said += text;
  });
  server().add_fault(Fault{.path = "/api/models", .edit = [](const Request&, Response& response) {
                             response.set("X-HF-Warning",
                                          "x; \x1b]52;c;aGk=\x07 \xc2\x9b"
                                          "31m \xe2\x80\xaetext" +
                                              std::string(5000, '!'));
                           }});
  pull();
  set_log_sink({});
  EXPECT_EQ(contains(said, {"the Hub says: ?]52;c;aGk=? ?31m ?text!!!"}), "");
  EXPECT_LT(said.size(), 600u);
}

}  // namespace

}  // namespace gptq::testing
