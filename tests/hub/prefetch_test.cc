// Large files over several connections: faster where each gets only so much, and right whatever helpers meet.
#include <chrono>
#include <set>

#include "tests/hub/fixture.h"

namespace gptq::testing {

namespace {

constexpr int64_t kMegabyte = int64_t{1} << 20;
constexpr const char* kWeightFile = "model.safetensors";
constexpr const char* kLarge = "org/large";
const std::string kBytes = noise(64 * kMegabyte + 12345, 9);

class PrefetchTest : public HubTest {
 protected:
  PrefetchTest() { large_commit_ = hub_.commit(kLarge, {{"config.json", config_}, {kWeightFile, kBytes}}); }

  fs::path folder() const { return cache() / "models--org--large"; }
  fs::path partial() const { return folder() / "blobs" / (sha256_hex(kBytes) + ".incomplete"); }
  void expect_whole() {
    EXPECT_TRUE(read_whole(folder() / "snapshots" / large_commit_ / kWeightFile) == kBytes);
    EXPECT_FALSE(fs::exists(partial()));
  }
  std::multiset<std::string> ranges() {
    std::multiset<std::string> all;
    for (const Request& request : hub_.server().requests()) {
      if (request.host == Host::kStorage) all.insert(request.header("range"));
    }
    return all;
  }
  // All answers of the storage come slowly, and once something happens to the one for the piece that begins there.
  void slow(int64_t megabytes_per_second, std::map<int64_t, std::function<void(Response&)>> once = {}) {
    once_ = std::move(once);
    const auto edit = [this, rate = megabytes_per_second * kMegabyte](const Request& request, Response& response) {
      response.bytes_per_second = rate;
      const std::string range = request.header("range");
      if (!range.starts_with("bytes=")) return;
      const std::lock_guard lock(mutex_);
      if (const auto found = once_.find(std::stoll(range.substr(6))); found != once_.end()) {
        found->second(response);
        once_.erase(found);
      }
    };
    hub_.server().add_fault(Fault{.path = kWeightFile, .host = Host::kStorage, .times = -1, .edit = edit});
  }

  std::mutex mutex_;
  std::map<int64_t, std::function<void(Response&)>> once_;
  std::string large_commit_;
};

TEST_F(PrefetchTest, ConnectionsWithoutAFileHelpWithALargeOne) {
  slow(5);  // one connection alone: 13 s
  const auto start = std::chrono::steady_clock::now();
  TransferProgress last;
  pull({}, kLarge, [&](const TransferProgress& progress) {
    EXPECT_LE(progress.bytes_done, progress.bytes_total);
    last = progress;
    return true;
  });
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  expect_whole();
  EXPECT_EQ(last.bytes_done, last.bytes_total);
  EXPECT_LT(seconds.count(), 9);
  const auto asked = ranges();
  EXPECT_EQ(asked.size(), 9u);  // 8 MiB each
  EXPECT_EQ(std::set<std::string>(asked.begin(), asked.end()).size(), asked.size()) << "a piece came twice";
}

TEST_F(PrefetchTest, OneWorkerIsOneConnection) {
  PullOptions options;
  options.max_workers = 1;
  pull(options, kLarge);
  expect_whole();
  EXPECT_EQ(ranges(), (std::multiset<std::string>{"bytes=0-8388607", "bytes=8388608-"}));
}

TEST_F(PrefetchTest, WhatAHelperCannotGetTheOwnerFetches) {
  const auto fail = [](Response& response) {
    response = {};
    response.status = 503;
  };
  const auto cut = [](Response& response) { response.cut_after = 100'000; };
  const auto other = [](Response& response) { response.set("Content-Range", "bytes 0-8388607/67121209"); };
  slow(20, {{16 * kMegabyte, fail}, {24 * kMegabyte, cut}, {32 * kMegabyte, other}});
  pull({}, kLarge);
  EXPECT_TRUE(once_.empty());
  expect_whole();
}

TEST_F(PrefetchTest, AServerWithoutRangesSendsTheWhole) {
  hub_.server().add_fault(Fault::whole(kWeightFile).on(Host::kStorage).repeated(-1));
  pull({}, kLarge);
  expect_whole();
}

TEST_F(PrefetchTest, AddressesThatExpireOnTheWayAreRenewed) {
  slow(40);
  bool expired = false;
  pull({}, kLarge, [&](const TransferProgress& progress) {
    if (!expired && progress.bytes_done > 20 * kMegabyte) {
      hub_.expire_urls();
      expired = true;
    }
    return true;
  });
  EXPECT_TRUE(expired);
  expect_whole();
}

TEST_F(PrefetchTest, AStopLeavesABeginningThatIsGoneOnWith) {
  slow(20);
  EXPECT_THROW(pull({}, kLarge, [&](const TransferProgress& progress) { return progress.bytes_done < 40 * kMegabyte; }),
               Error);
  const std::string left = read_whole(partial());
  EXPECT_GT(left.size(), 0u);
  EXPECT_TRUE(kBytes.compare(0, left.size(), left) == 0);
  const PullResult result = pull({}, kLarge);
  EXPECT_EQ(result.bytes_fetched, result.bytes_total - static_cast<int64_t>(left.size() + config_.size()));
  expect_whole();
}

TEST_F(PrefetchTest, AWrongByteInAPieceIsFound) {
  slow(20, {{24 * kMegabyte, [](Response& response) { response.flip_at = 30 * kMegabyte; }}});
  EXPECT_EQ(error_of_pull({}, kLarge).kind(), ErrorKind::kVerification);
  EXPECT_TRUE(once_.empty());
  EXPECT_FALSE(fs::exists(partial()));
}

}  // namespace

}  // namespace gptq::testing
