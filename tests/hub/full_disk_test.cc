// A disk that fills up while a model comes: a clear message, and a partial that the next pull goes on with.
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <thread>

#include "tests/hub/fixture.h"

namespace gptq::testing {

namespace {

class FullDiskTest : public HubTest {
 protected:
  // Runs `body` in a thread that sees a small tmpfs as HF_HOME; false when this machine does not let us.
  template <typename Body>
  bool on_small_disk(const std::string& size, Body&& body) {
    bool mounted = false;
    std::thread([&] {
      const fs::path home = scratch_ / "home";
      fs::create_directories(home);
      mounted = ::unshare(CLONE_NEWNS) == 0 && ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
                ::mount("tmpfs", home.c_str(), "tmpfs", 0, ("size=" + size).c_str()) == 0;
      if (mounted) body();
    }).join();
    return mounted;
  }
};

TEST_F(FullDiskTest, LeavesAPartialThatIsGoneOnWith) {
  hub_.server().add_fault(Fault::slow("model.safetensors", 3'000'000).on(Host::kStorage));
  const bool ran = on_small_disk("6m", [&] {
    const fs::path filler = scratch_ / "home" / "filler";
    try {
      pull({}, kId, [&](const TransferProgress& progress) {
        // Another program takes all that is left.
        if (progress.bytes_done > 500'000 && !fs::exists(filler)) std::ofstream(filler) << std::string(6 << 20, 'x');
        return true;
      });
      ADD_FAILURE() << "the disk was not full";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kGeneral);
      EXPECT_EQ(contains(error.what(), {"No space left", ".incomplete", "are kept", "of 3000000 bytes",
                                        "run the same command again"}),
                "");
    }
    const fs::path partial = root() / "blobs" / (sha256_hex(weights_) + ".incomplete");
    const auto left = fs::file_size(partial);
    EXPECT_GT(left, 0u);
    EXPECT_LT(left, weights_.size());
    EXPECT_FALSE(fs::exists(snapshot() / "model.safetensors"));
    fs::remove(filler);
    const PullResult result = pull();
    EXPECT_LE(result.bytes_fetched, result.bytes_total - static_cast<int64_t>(left));
    EXPECT_EQ(read_whole(snapshot() / "model.safetensors"), weights_);
  });
  if (!ran) GTEST_SKIP() << "a small disk needs the right to mount one";
}

TEST_F(FullDiskTest, IsSeenBeforeAnythingComes) {
  const bool ran = on_small_disk("2m", [&] {
    const Error error = error_of_pull();
    EXPECT_EQ(error.kind(), ErrorKind::kGeneral);
    EXPECT_EQ(contains(error.what(), {"needs 4 MB more", "are free", "HF_HOME"}), "");
  });
  if (!ran) GTEST_SKIP() << "a small disk needs the right to mount one";
}

}  // namespace

}  // namespace gptq::testing
