// Locks and private files in folders that others may write to.
#include "hub/cache/lock.h"

#include <sys/stat.h>
#include <unistd.h>

#include "hub/http/token.h"
#include "tests/hub/fixture.h"

namespace gptq::testing {

namespace {

mode_t mode_of(const fs::path& path) {
  struct stat info {};
  return ::lstat(path.c_str(), &info) == 0 ? info.st_mode & 07777 : 0;
}

class LockTest : public HubTest {};

TEST_F(LockTest, AFileThatIsMadeBelongsToTheGroupToo) {
  const fs::path path = scratch_ / "locks/a.lock";
  { const hub::FileLock lock(hub::open_session(""), path, "tests"); }
  EXPECT_EQ(mode_of(path), 0664u);
}

TEST_F(LockTest, AFileThatIsThereKeepsItsMode) {
  const fs::path path = scratch_ / "locks/a.lock";
  write_whole(path, "");
  ::chmod(path.c_str(), 0600);
  { const hub::FileLock lock(hub::open_session(""), path, "tests"); }
  EXPECT_EQ(mode_of(path), 0600u);
}

TEST_F(LockTest, LinksAreNotFollowed) {
  const fs::path victim = scratch_ / "id_rsa", path = scratch_ / "locks/a.lock";
  write_whole(victim, "key");
  ::chmod(victim.c_str(), 0600);
  fs::create_directories(path.parent_path());
  fs::create_symlink(victim, path);
  EXPECT_THROW(hub::FileLock(hub::open_session(""), path, "tests"), Error);
  EXPECT_EQ(mode_of(victim), 0600u);
  fs::remove(path);
  fs::create_symlink(scratch_ / "absent", path);
  EXPECT_THROW(hub::FileLock(hub::open_session(""), path, "tests"), Error);
  EXPECT_FALSE(fs::exists(scratch_ / "absent"));
}

TEST_F(LockTest, APullThroughAPlantedLockTouchesNothing) {
  const fs::path victim = scratch_ / "id_rsa";
  write_whole(victim, "key");
  ::chmod(victim.c_str(), 0600);
  const fs::path locks = cache() / ".locks/models--org--tiny";
  fs::create_directories(locks);
  fs::create_symlink(victim, locks / (sha256_hex(weights_) + ".lock"));
  error_of_pull();
  EXPECT_EQ(mode_of(victim), 0600u);
  EXPECT_EQ(read_whole(victim), "key");
}

TEST_F(LockTest, TokensAreNotWrittenToPlantedFiles) {
  const hub::Settings settings = hub::Settings::from_environment();
  const fs::path folder = settings.token_file.parent_path(), victim = scratch_ / "victim";
  fs::create_directories(folder);
  write_whole(victim, "mine");
  // The names that a writer of this process may take next, and the one that it took once.
  std::vector<fs::path> planted = {settings.token_file.string() + "." + std::to_string(::getpid()) + ".tmp"};
  for (int i = 0; i < 60; ++i) {
    planted.push_back(settings.token_file.string() + "." + std::to_string(::getpid()) + "-" + std::to_string(i) +
                      ".tmp");
  }
  for (size_t i = 0; i < planted.size(); ++i) {
    if (i % 2 == 0) {
      write_whole(planted[i], "planted");
      ::chmod(planted[i].c_str(), 0666);
    } else {
      fs::create_symlink(victim, planted[i]);
    }
  }
  hub::make_active(settings, "hf_secretsecret");
  EXPECT_EQ(read_whole(settings.token_file), "hf_secretsecret");
  EXPECT_EQ(mode_of(settings.token_file), 0600u);
  EXPECT_FALSE(fs::is_symlink(settings.token_file));
  EXPECT_EQ(read_whole(victim), "mine");
  for (const fs::path& path : planted) EXPECT_NE(read_whole(path), "hf_secretsecret") << path;
}

TEST_F(LockTest, ABlobOfRightSizeAndWrongContentIsNotGivenAName) {
  std::string wrong = weights_;
  wrong[5] = static_cast<char>(wrong[5] ^ 1);
  write_whole(root() / "blobs" / sha256_hex(weights_), wrong);
  pull();
  EXPECT_EQ(read_whole(snapshot() / "model.safetensors"), weights_);
}

}  // namespace

}  // namespace gptq::testing
