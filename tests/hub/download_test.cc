// The rules of a download, each against a fault of the local Hub.
#include <zlib.h>

#include "hub/repository/names.h"
#include "tests/hub/fixture.h"

namespace gptq::testing {

namespace {

constexpr const char* kWeights = "model.safetensors";

class DownloadTest : public HubTest {
 protected:
  HttpServer& server() { return hub_.server(); }

  // The Range headers of the GET requests to the storage, "-" for none.
  std::string ranges() {
    std::string text;
    for (const Request& request : server().requests()) {
      if (request.host != Host::kStorage || request.method != "GET") continue;
      text += (request.header("range").empty() ? "-" : request.header("range")) + " ";
    }
    return text;
  }
  fs::path partial() const { return root() / "blobs" / (sha256_hex(weights_) + ".incomplete"); }
  void expect_whole() {
    EXPECT_EQ(read_whole(snapshot() / kWeights), weights_);
    EXPECT_EQ(read_whole(snapshot() / "config.json"), config_);
    EXPECT_FALSE(fs::exists(partial()));
  }
  void leave_partial(const std::string& bytes) { write_whole(partial(), bytes); }
};

TEST_F(DownloadTest, TheTokenGoesToTheHubOnly) {
  environment_.set("HF_TOKEN", "hf_ann");
  hub_.add_user({.name = "ann", .tokens = {{.value = "hf_ann"}}});
  pull();
  int hub_requests = 0, storage_requests = 0;
  for (const Request& request : server().requests()) {
    const bool on_hub = request.host == Host::kHub;
    EXPECT_EQ(request.header("authorization"), on_hub ? "Bearer hf_ann" : "") << request.target;
    (on_hub ? hub_requests : storage_requests) += 1;
  }
  EXPECT_GT(hub_requests, 0);
  EXPECT_GT(storage_requests, 0);
}

TEST_F(DownloadTest, TheTokenStaysWhenAFileOfTheHubRedirectsToAnotherHost) {
  environment_.set("HF_TOKEN", "hf_ann");
  hub_.add_user({.name = "ann", .tokens = {{.value = "hf_ann"}}});
  server().add_fault(Fault::redirect("config.json", server().url(Host::kStorage) + "/elsewhere/config.json", 302)
                         .of("GET")
                         .repeated(-1));
  error_of_pull();
  for (const Request& request : server().requests()) {
    if (request.host != Host::kStorage) continue;
    EXPECT_EQ(request.header("authorization"), "") << request.target;
  }
}

TEST_F(DownloadTest, MetadataAsksForIdentity) {
  pull();
  for (const Request& request : server().requests()) {
    if (request.method != "HEAD") continue;
    EXPECT_EQ(request.header("accept-encoding"), "identity") << request.target;
  }
  EXPECT_GT(server().count("HEAD", "config.json"), 0);
}

TEST_F(DownloadTest, RelativeRedirectsAreFollowedWithTheToken) {
  environment_.set("HF_TOKEN", "hf_ann");
  hub_.add_user({.name = "ann", .tokens = {{.value = "hf_ann"}}});
  hub_.rename(kId, "org/renamed");
  const PullResult result = pull();
  EXPECT_EQ(result.folder, snapshot().string());
  expect_whole();
}

TEST_F(DownloadTest, RedirectsGoRoundInCirclesOnlySoLong) {
  server().add_fault(
      Fault::redirect("config.json", "/org/tiny/resolve/" + commit_ + "/config.json").of("HEAD").repeated(-1));
  EXPECT_EQ(error_of_pull().kind(), ErrorKind::kNetwork);
  EXPECT_LT(server().count("HEAD", "config.json"), 20);
}

TEST_F(DownloadTest, NoCommitInTheAnswerIsNotTheHub) {
  server().add_fault(Fault::without("config.json", "x-repo-commit").repeated(-1));
  const Error error = error_of_pull();
  EXPECT_EQ(error.kind(), ErrorKind::kNetwork);
  EXPECT_EQ(contains(error.what(), {"X-Repo-Commit", "HF_ENDPOINT"}), "");
}

TEST_F(DownloadTest, AnotherHashThanTheListingsIsRefused) {
  server().add_fault(
      Fault{.method = "HEAD", .path = kWeights, .times = -1, .edit = [](const Request&, Response& response) {
              response.set("X-Linked-Etag", "\"" + std::string(64, '0') + "\"");
            }});
  EXPECT_EQ(error_of_pull().kind(), ErrorKind::kVerification);
  EXPECT_FALSE(fs::exists(snapshot() / kWeights));
}

TEST_F(DownloadTest, AnEtagThatIsNoHashTouchesNothing) {
  server().add_fault(
      Fault{.method = "HEAD", .path = "config.json", .times = -1, .edit = [](const Request&, Response& response) {
              response.set("ETag", "\"../../../../evil\"");
              response.remove("X-Linked-Etag");
            }});
  error_of_pull();
  EXPECT_FALSE(fs::exists(cache() / "evil"));
}

TEST_F(DownloadTest, ABrokenConnectionIsResumedWhereItBroke) {
  server().add_fault(Fault::cut(kWeights, 1'000'000).on(Host::kStorage));
  pull();
  expect_whole();
  EXPECT_EQ(contains(ranges(), {"- bytes="}), "");
  EXPECT_NEAR(clock_.slept(), 1, 0.01);
}

TEST_F(DownloadTest, FiveFailuresInARowAreEnoughAndProgressResetsThem) {
  server().add_fault(Fault::cut(kWeights, 200'000).on(Host::kStorage).repeated(10));
  pull();  // each of ten attempts brought something
  expect_whole();
  fs::remove_all(cache());
  server().clear_faults();
  server().clear_requests();
  server().add_fault(Fault::cut(kWeights, 0).on(Host::kStorage).repeated(-1));
  const Error error = error_of_pull();
  EXPECT_EQ(error.kind(), ErrorKind::kNetwork);
  EXPECT_EQ(server().count("GET", kWeights, Host::kStorage), 6);
}

TEST_F(DownloadTest, AnAnswerThatEndsEarlyIsABrokenConnection) {
  server().add_fault(
      Fault{.method = "GET", .path = kWeights, .host = Host::kStorage, .edit = [](const Request&, Response& response) {
              response.end = response.begin + 1000;
              response.chunked = true;
            }});
  pull();
  expect_whole();
}

TEST_F(DownloadTest, APartialOfAnEarlierRunIsGoneOnWith) {
  leave_partial(weights_.substr(0, 2'000'000));
  const PullResult result = pull();
  expect_whole();
  EXPECT_EQ(ranges(), "bytes=2000000- ");
  EXPECT_EQ(result.bytes_fetched, result.bytes_total - 2'000'000);
}

TEST_F(DownloadTest, AWholePartialNeedsNoRequestAtAll) {
  leave_partial(weights_);
  pull();
  expect_whole();
  EXPECT_EQ(server().count("", kWeights, Host::kStorage), 0);
}

TEST_F(DownloadTest, AWrongPartialIsFetchedAnew) {
  std::string wrong = weights_.substr(0, 2'000'000);
  wrong[1234] = static_cast<char>(wrong[1234] ^ 1);
  leave_partial(wrong);
  pull();
  expect_whole();
  EXPECT_EQ(ranges(), "bytes=2000000- - ");
}

TEST_F(DownloadTest, APartialThatIsTooLongIsNotUsed) {
  leave_partial(weights_ + "more");
  pull();
  expect_whole();
  EXPECT_EQ(ranges(), "- ");
}

TEST_F(DownloadTest, A200ForARangeStartsOver) {
  leave_partial(std::string(1'000'000, 'x'));
  server().add_fault(Fault::whole(kWeights).on(Host::kStorage));
  pull();
  expect_whole();
}

TEST_F(DownloadTest, A206ForAnotherRangeIsNotBelieved) {
  leave_partial(weights_.substr(0, 1'000'000));
  server().add_fault(Fault{.path = kWeights, .host = Host::kStorage, .edit = [](const Request&, Response& response) {
                             response.set("Content-Range", "bytes 0-2999999/3000000");
                           }});
  pull();
  expect_whole();
  EXPECT_EQ(ranges(), "bytes=1000000- - ");
}

TEST_F(DownloadTest, A416StartsOver) {
  leave_partial(weights_.substr(0, 1'000'000));
  server().add_fault(Fault::refuse(kWeights, 416).on(Host::kStorage));
  pull();
  expect_whole();
  EXPECT_EQ(ranges(), "bytes=1000000- - ");
}

TEST_F(DownloadTest, AnExpiredAddressIsRenewedAndTheDownloadGoesOn) {
  server().add_fault(Fault::cut(kWeights, 500'000).on(Host::kStorage));
  server().add_fault(Fault::refuse(kWeights, 403).on(Host::kStorage));
  pull();
  expect_whole();
  EXPECT_EQ(server().count("HEAD", kWeights), 2);
}

TEST_F(DownloadTest, AStorageThatAlwaysRefusesIsNotAPermissionError) {
  server().add_fault(Fault::refuse(kWeights, 403).on(Host::kStorage).repeated(-1));
  const Error error = error_of_pull();
  EXPECT_EQ(error.kind(), ErrorKind::kNetwork);
  EXPECT_EQ(contains(error.what(), {"storage", "403"}), "");
}

TEST_F(DownloadTest, AStalledConnectionEndsAndIsResumed) {
  environment_.set("HF_HUB_DOWNLOAD_TIMEOUT", "1");
  server().add_fault(Fault::delay(kWeights, 3000).on(Host::kStorage).of("GET"));
  pull();
  expect_whole();
}

TEST_F(DownloadTest, AWrongByteIsDeletedAndBothHashesAreSaid) {
  server().add_fault(Fault::flip(kWeights, 1'500'000).on(Host::kStorage).repeated(-1));
  const Error error = error_of_pull();
  EXPECT_EQ(error.kind(), ErrorKind::kVerification);
  std::string wrong = weights_;
  wrong[1'500'000] = static_cast<char>(wrong[1'500'000] ^ 1);
  EXPECT_EQ(contains(error.what(), {sha256_hex(weights_), "hash", kWeights}), "");
  EXPECT_FALSE(fs::exists(partial()));
  EXPECT_FALSE(fs::exists(root() / "blobs" / sha256_hex(weights_)));
  EXPECT_FALSE(fs::exists(root() / "refs" / "main"));
}

TEST_F(DownloadTest, AWrongByteInASmallFileIsFoundByGitsHash) {
  server().add_fault(Fault::flip("config.json", 3).of("GET").repeated(-1));
  const Error error = error_of_pull();
  EXPECT_EQ(error.kind(), ErrorKind::kVerification);
  EXPECT_EQ(contains(error.what(), {git_sha1_hex(config_), "config.json"}), "");
}

TEST_F(DownloadTest, MoreBytesThanAnnouncedAreRefused) {
  server().add_fault(Fault{.method = "GET",
                           .path = kWeights,
                           .host = Host::kStorage,
                           .times = -1,
                           .edit = [&](const Request&, Response& response) {
                             response.body = std::make_shared<const std::string>(weights_ + "and more");
                             response.begin = 0;
                             response.end = -1;
                             response.status = 200;
                           }});
  EXPECT_EQ(error_of_pull().kind(), ErrorKind::kVerification);
  EXPECT_FALSE(fs::exists(partial()));
}

// Nobody asked for it, and proxies do it all the same.
TEST_F(DownloadTest, FilesThatComeCompressedAreVerifiedUnpacked) {
  std::string packed(1000, '\0');
  z_stream stream{};
  ASSERT_EQ(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(config_.data()));
  stream.avail_in = static_cast<uInt>(config_.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  ASSERT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  server().add_fault(
      Fault{.method = "GET", .path = "config.json", .times = -1, .edit = [&](const Request&, Response& response) {
              response.body = std::make_shared<const std::string>(packed);
              response.set("Content-Encoding", "gzip");
              response.chunked = true;
            }});
  pull();
  expect_whole();
}

TEST_F(DownloadTest, MetadataIsAskedForFiveTimesWithGrowingWaits) {
  server().add_fault(Fault::refuse("/api/models", 503).repeated(4));
  pull();
  expect_whole();
  EXPECT_NEAR(clock_.slept(), 1 + 2 + 4 + 8, 0.01);
  EXPECT_EQ(server().count("GET", "/api/models"), 5);
}

TEST_F(DownloadTest, EveryPassingStatusIsTriedAgain) {
  for (const int status : {408, 429, 500, 502, 503, 504}) {
    fs::remove_all(cache());
    server().add_fault(Fault::refuse("config.json", status).of("HEAD"));
    server().add_fault(Fault::refuse(kWeights, status).on(Host::kStorage));
    pull();
    expect_whole();
  }
}

TEST_F(DownloadTest, TheServersOwnWaitingTimeIsKept) {
  server().add_fault(Fault::refuse("/api/models", 429, "", "", {{"retry-after", "17"}}));
  pull();
  EXPECT_NEAR(clock_.slept(), 17, 0.01);
}

TEST_F(DownloadTest, TheRateLimitSaysWhenItIsReset) {
  server().add_fault(Fault::refuse("/api/models", 429, "", "", {{"ratelimit", "\"api\";r=0;t=55"}}));
  server().add_fault(Fault::refuse("/api/models", 503, "", "", {{"ratelimit", "\"api\";r=12;t=200"}}));
  pull();
  EXPECT_NEAR(clock_.slept(), 55 + 2, 0.01);
}

TEST_F(DownloadTest, NobodyWaitsForHours) {
  server().add_fault(Fault::refuse("/api/models", 429, "", "", {{"retry-after", "86400"}}).repeated(-1));
  const Error error = error_of_pull();
  EXPECT_EQ(contains(error.what(), {"86400"}), "");
  EXPECT_EQ(clock_.slept(), 0);
}

TEST_F(DownloadTest, AStopLeavesAPartialThatIsGoneOnWith) {
  server().add_fault(Fault::slow(kWeights, 2'000'000).on(Host::kStorage));
  try {
    pull({}, kId, [](const TransferProgress& progress) { return progress.bytes_done < 500'000; });
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kInterrupted);
  }
  const auto left = fs::file_size(partial());
  EXPECT_GT(left, 0u);
  EXPECT_LT(left, weights_.size());
  server().clear_requests();
  pull();
  expect_whole();
  EXPECT_EQ(ranges(), "bytes=" + std::to_string(left) + "- ");
}

TEST_F(DownloadTest, AStopIsHeardWhileNothingArrives) {
  environment_.set("HF_HUB_DOWNLOAD_TIMEOUT", "30");
  server().add_fault(Fault::delay(kWeights, 8'000).on(Host::kStorage).of("GET"));
  const auto start = std::chrono::steady_clock::now();
  const auto seconds = [&] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(); };
  EXPECT_THROW(pull({}, kId, [&](const TransferProgress&) { return seconds() < 1; }), Error);
  EXPECT_LT(seconds(), 6);
}

TEST_F(DownloadTest, AFileThatTheCommitLacksIsNoted) {
  server().add_fault(Fault{.method = "HEAD",
                           .path = "tokenizer.json",
                           .times = -1,
                           .instead = true,
                           .edit = [&](const Request&, Response& response) {
                             response.status = 404;
                             response.set("X-Error-Code", "EntryNotFound");
                             response.set("X-Repo-Commit", commit_);
                           }});
  EXPECT_EQ(error_of_pull().kind(), ErrorKind::kNotFound);
  EXPECT_TRUE(fs::exists(root() / ".no_exist" / commit_ / "tokenizer.json"));
}

}  // namespace

}  // namespace gptq::testing
