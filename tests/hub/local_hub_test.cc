// The local Hub answers like the real one: what later tests rely on.
#include <gtest/gtest.h>

#include "core/json.h"
#include "hub/http/http.h"
#include "tests/hub/local_hub.h"

namespace gptq {

namespace {

using hub::HttpClient;
using hub::HttpRequest;
using hub::HttpResponse;
using testing::Fault;
using testing::Host;
using testing::LocalHub;

class LocalHubTest : public ::testing::Test {
 protected:
  LocalHubTest() {
    hub_.add_user({.name = "ann", .full_name = "Ann", .tokens = {{.value = "hf_annread", .name = "laptop"}}});
    hub_.add_user(
        {.name = "bob",
         .organizations = {"org"},
         .tokens = {{.value = "hf_bobfine", .role = "fineGrained"}, {.value = "hf_bobwrite", .role = "write"}}});
    commit_ = hub_.commit(
        "org/tiny",
        {{"config.json", "{\"a\": 1}"}, {"sub/notes.txt", std::string(5000, 'n')}, {"model.safetensors", weights_}});
  }

  HttpResponse send(const std::string& path, HttpRequest request = {}) {
    request.url = path.starts_with("http") ? path : hub_.endpoint() + path;
    HttpClient client(hub::Settings::from_environment());
    return client.send(request);
  }
  std::string error_of(const std::string& path, const std::string& token) {
    const HttpResponse response = send(path, {.token = token});
    return std::to_string(response.status) + " " + response.header("x-error-code");
  }

  const std::string weights_ = std::string(100'000, 'w');
  LocalHub hub_;
  std::string commit_;
};

TEST_F(LocalHubTest, OneCallListsEverything) {
  const Json info = Json::parse(send("/api/models/org/tiny?blobs=true").body);
  EXPECT_EQ(info.at("sha"), commit_);
  EXPECT_EQ(info.at("gated"), false);
  ASSERT_EQ(info.at("siblings").size(), 3u);
  EXPECT_EQ(info["siblings"][0].at("blobId"), testing::git_sha1_hex("{\"a\": 1}"));
  EXPECT_EQ(info["siblings"][1].at("lfs").at("sha256"), testing::sha256_hex(weights_));
  EXPECT_EQ(Json::parse(send("/api/models/org/tiny/revision/" + commit_).body).at("sha"), commit_);
  EXPECT_EQ(send("/api/models/org/tiny/revision/none").header("x-error-code"), "RevisionNotFound");
}

TEST_F(LocalHubTest, ListingsHavePages) {
  hub_.tree_page = 2;
  const HttpResponse first = send("/api/models/org/tiny/tree/main?recursive=true&expand=false");
  EXPECT_EQ(Json::parse(first.body).size(), 2u);
  const std::string link = first.header("link");
  ASSERT_NE(link.find(">; rel=\"next\""), std::string::npos);
  const HttpResponse second = send(link.substr(1, link.find('>') - 1));
  EXPECT_EQ(Json::parse(second.body).size(), 2u);  // two files, a folder, a file below it
  EXPECT_EQ(second.header("link"), "");
}

TEST_F(LocalHubTest, LargeFilesLieElsewhere) {
  const HttpResponse head = send("/org/tiny/resolve/main/model.safetensors", {.method = "HEAD", .decode = false});
  EXPECT_EQ(head.status, 302);
  EXPECT_EQ(head.header("x-repo-commit"), commit_);
  EXPECT_EQ(head.header("x-linked-etag"), "\"" + testing::sha256_hex(weights_) + "\"");
  EXPECT_EQ(head.header("x-linked-size"), "100000");
  const std::string url = head.header("location");
  EXPECT_NE(hub::host_of(url), hub::host_of(hub_.endpoint()));
  EXPECT_EQ(send(url).body, weights_);
  const HttpResponse part = send(url, {.headers = {"Range: bytes=99990-"}, .decode = false});
  EXPECT_EQ(part.status, 206);
  EXPECT_EQ(part.body, "wwwwwwwwww");
  EXPECT_EQ(part.header("content-range"), "bytes 99990-99999/100000");
  EXPECT_EQ(send(url, {.headers = {"Range: bytes=100000-"}}).status, 416);
  EXPECT_EQ(send(url, {.token = "hf_annread"}).status, 400);
  hub_.expire_urls();
  EXPECT_EQ(send(url).status, 403);
}

TEST_F(LocalHubTest, SmallFilesRedirectRelativelyAndComePacked) {
  const HttpResponse head = send("/org/tiny/resolve/main/sub/notes.txt", {.method = "HEAD", .decode = false});
  EXPECT_EQ(head.status, 307);
  ASSERT_TRUE(head.header("location").starts_with("/api/resolve-cache/"));
  const HttpResponse last = send(head.header("location"), {.method = "HEAD", .decode = false});
  EXPECT_EQ(last.header("content-length"), "5000");
  const HttpResponse body = send(head.header("location"));
  EXPECT_EQ(body.header("content-encoding"), "gzip");
  EXPECT_EQ(body.body, std::string(5000, 'n'));
  EXPECT_EQ(send("/org/tiny/resolve/main/none", {.method = "HEAD"}).header("x-error-code"), "EntryNotFound");
}

TEST_F(LocalHubTest, RefusesAsTheHubDoes) {
  EXPECT_EQ(error_of("/api/models/org/none", ""), "401 RepoNotFound");
  EXPECT_EQ(error_of("/api/models/org/none", "hf_annread"), "404 RepoNotFound");
  EXPECT_EQ(error_of("/api/models/org/tiny", "hf_wrong"), "401 ");
  hub_.edit("org/tiny", [](testing::HubRepo& repo) { repo.gated = "manual"; });
  EXPECT_EQ(error_of("/api/models/org/tiny", ""), "200 ");
  EXPECT_EQ(error_of("/api/models/org/tiny/auth-check", ""), "401 GatedRepo");
  EXPECT_EQ(error_of("/org/tiny/resolve/main/config.json", "hf_annread"), "403 GatedRepo");
  hub_.edit("org/tiny", [](testing::HubRepo& repo) { repo.accepted.insert("ann"); });
  EXPECT_EQ(error_of("/api/models/org/tiny/auth-check", "hf_annread"), "200 ");
  hub_.edit("org/tiny", [](testing::HubRepo& repo) { repo.is_private = true; });
  EXPECT_EQ(error_of("/api/models/org/tiny", "hf_annread"), "404 RepoNotFound");
  EXPECT_EQ(error_of("/api/models/org/tiny", "hf_bobwrite"), "200 ");
}

TEST_F(LocalHubTest, RenamedRepositoriesRedirect) {
  hub_.rename("org/tiny", "org/small");
  const HttpResponse response = send("/api/models/org/tiny?blobs=true");
  EXPECT_EQ(response.status, 307);
  EXPECT_EQ(response.header("location"), "/api/models/org/small?blobs=true");
  EXPECT_EQ(send("/org/tiny/resolve/main/config.json", {.method = "HEAD"}).header("location"),
            "/org/small/resolve/main/config.json");
}

TEST_F(LocalHubTest, FaultsHitTheRequestsTheyName) {
  const std::string path = "/api/models/org/tiny";
  hub_.server().add_fault(Fault::refuse(path, 429, "", "slow down", {{"Retry-After", "7"}}).after(1).repeated(2));
  EXPECT_EQ(send(path).status, 200);
  EXPECT_EQ(send(path).header("retry-after"), "7");
  EXPECT_EQ(send(path).status, 429);
  EXPECT_EQ(send(path).status, 200);
  EXPECT_EQ(hub_.server().count("GET", path), 4);

  const std::string url = send("/org/tiny/resolve/main/model.safetensors", {.method = "HEAD"}).header("location");
  hub_.server().add_fault(Fault::cut("model.safetensors", 1000).on(Host::kStorage));
  const HttpResponse cut = send(url);
  EXPECT_NE(cut.failure, "");
  EXPECT_EQ(cut.body.size(), 1000u);
  hub_.server().add_fault(Fault::flip("model.safetensors", 500).on(Host::kStorage));
  EXPECT_NE(send(url).body, weights_);
  hub_.server().add_fault(Fault::whole("model.safetensors").on(Host::kStorage));
  EXPECT_EQ(send(url, {.headers = {"Range: bytes=5-"}}).status, 200);
  EXPECT_EQ(hub_.server().count("GET", "model.safetensors", Host::kStorage), 3);
}

}  // namespace

}  // namespace gptq
