// Pulling a model: which files come, where they lie, and that nothing comes twice.
#include "tests/hub/fixture.h"

namespace gptq::testing {

namespace {

class PullTest : public HubTest {};

TEST_F(PullTest, FilesAreVerifiedAndLieWhereHuggingfaceHubLooks) {
  const PullResult result = pull();
  EXPECT_EQ(result.folder, snapshot().string());
  EXPECT_EQ(result.commit, commit_);
  EXPECT_EQ(read_whole(snapshot() / "model.safetensors"), weights_);
  EXPECT_EQ(read_whole(snapshot() / "config.json"), config_);
  EXPECT_EQ(fs::read_symlink(snapshot() / "model.safetensors"), "../../blobs/" + sha256_hex(weights_));
  EXPECT_EQ(fs::read_symlink(snapshot() / "config.json"), "../../blobs/" + git_sha1_hex(config_));
  EXPECT_EQ(read_whole(root() / "refs" / "main"), commit_);
  EXPECT_FALSE(fs::exists(snapshot() / "sub"));
  EXPECT_EQ(result.bytes_fetched, result.bytes_total);
}

}  // namespace

}  // namespace gptq::testing
