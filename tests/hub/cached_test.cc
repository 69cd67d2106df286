// The cache as a whole: what is in it, taking away, checking.
#include "tests/hub/fixture.h"

namespace gptq::testing {

namespace {

class CachedTest : public HubTest {
 protected:
  CachedTest() {
    pull();
    next_ = hub_.commit(kId, {{"config.json", "{\"new\": 1}"}});
    hub_.edit(kId, [&](HubRepo& repo) { repo.tags["v1"] = commit_; });
    pull({}, "org/tiny@v1");
    pull();
  }
  fs::path blob(const std::string& etag) const { return root() / "blobs" / etag; }
  int64_t total() const { return static_cast<int64_t>(config_.size() + 10 + 6 + tokenizer_.size() + weights_.size()); }
  std::string next_;
};

TEST_F(CachedTest, RevisionsShareTheirContents) {
  write_whole(cache() / "datasets--org--x" / "blobs" / "x", "x");
  write_whole(cache() / "models--..--x" / "blobs" / "x", "x");
  const std::vector<CachedModel> models = cached_models();
  ASSERT_EQ(models.size(), 1u);
  EXPECT_EQ(models[0].id, kId);
  EXPECT_EQ(models[0].folder, root().string());
  EXPECT_EQ(models[0].bytes, total());
  ASSERT_EQ(models[0].revisions.size(), 2u);
  for (const CachedRevision& revision : models[0].revisions) {
    EXPECT_EQ(revision.files, 4);
    EXPECT_EQ(revision.refs, std::vector<std::string>{revision.commit == commit_ ? "v1" : "main"});
  }
}

TEST_F(CachedTest, AnEmptyCacheHasNothing) {
  fs::remove_all(cache());
  EXPECT_TRUE(cached_models().empty());
  EXPECT_TRUE(verify_cached("").empty());
  EXPECT_THROW(remove_cached(kId), Error);
}

TEST_F(CachedTest, ARevisionGoesWithoutWhatOthersNeed) {
  EXPECT_EQ(remove_cached("org/tiny@v1"), static_cast<int64_t>(config_.size()));
  EXPECT_FALSE(fs::exists(snapshot()));
  EXPECT_FALSE(fs::exists(root() / "refs" / "v1"));
  EXPECT_FALSE(fs::exists(root() / "trees" / (commit_ + ".json")));
  EXPECT_FALSE(fs::exists(blob(git_sha1_hex(config_))));
  EXPECT_TRUE(fs::exists(blob(sha256_hex(weights_))));
  EXPECT_EQ(read_whole(root() / "snapshots" / next_ / "model.safetensors"), weights_);
  EXPECT_THROW(remove_cached("org/tiny@v1"), Error);
  EXPECT_EQ(remove_cached("org/tiny@" + next_), total() - static_cast<int64_t>(config_.size()));
}

TEST_F(CachedTest, AModelGoesWithItsLocks) {
  EXPECT_EQ(remove_cached(kId), total());
  EXPECT_FALSE(fs::exists(root()));
  EXPECT_FALSE(fs::exists(cache() / ".locks" / "models--org--tiny"));
  pull();
  EXPECT_EQ(cached_models().size(), 1u);
}

TEST_F(CachedTest, DamageIsFound) {
  EXPECT_TRUE(verify_cached("").empty());
  std::string wrong = weights_;
  wrong[100] = static_cast<char>(wrong[100] ^ 1);
  write_whole(blob(sha256_hex(weights_)), wrong);
  fs::remove(blob(git_sha1_hex(config_)));
  fs::remove(snapshot() / "README.md");
  fs::create_symlink("../../../../../../../etc/passwd", snapshot() / "README.md");
  const std::vector<CacheFault> faults = verify_cached(kId);
  ASSERT_EQ(faults.size(), 3u);
  EXPECT_EQ(faults[0].path, blob(sha256_hex(weights_)).string());
  EXPECT_EQ(contains(faults[0].what, {"damaged", sha256_hex(wrong)}), "");
  EXPECT_EQ(contains(faults[1].what, {"leads out"}), "");
  EXPECT_EQ(contains(faults[2].what, {"missing blob"}), "");
  EXPECT_EQ(faults[2].path, (snapshot() / "config.json").string());
}

TEST_F(CachedTest, VerifyingCanBeStopped) {
  EXPECT_THROW(verify_cached("", [](const TransferProgress&) { return false; }), Error);
}

}  // namespace

}  // namespace gptq::testing
