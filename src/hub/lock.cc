// flock() without blocking in the kernel, so that a wait can be interrupted.
#include "hub/lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "core/log.h"

namespace gptq::hub {

namespace {

constexpr double kLookAgain = 0.05;  // seconds
constexpr double kSayAfter = 1;      // seconds
constexpr mode_t kMode = 0664;       // members of a group share a cache

bool is_still_at(int file, const fs::path& path) {
  struct stat mine {
  }, there{};
  return ::fstat(file, &mine) == 0 && ::stat(path.c_str(), &there) == 0 && mine.st_ino == there.st_ino &&
         mine.st_dev == there.st_dev;
}

}  // namespace

FileLock::FileLock(const Session& session, const fs::path& path, const std::string& what) {
  fs::create_directories(path.parent_path());
  for (double waited = 0;;) {
    if (file_ < 0) {
      file_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, kMode);
      if (file_ < 0) throw_system_error("opening the lock", path, errno);
      (void)!::fchmod(file_, kMode);  // somebody else's file keeps its mode
    }
    if (::flock(file_, LOCK_EX | LOCK_NB) == 0) {
      if (is_still_at(file_, path)) return;
      ::close(file_);  // its last holder took the file away
      file_ = -1;
      continue;
    }
    if (errno != EWOULDBLOCK && errno != EINTR) return;  // no locks here
    if (waited <= kSayAfter && waited + kLookAgain > kSayAfter) note("waiting for another process that " + what);
    try {
      session.wait(kLookAgain);
    } catch (...) {
      ::close(file_);
      throw;
    }
    waited += kLookAgain;
  }
}

FileLock::~FileLock() {
  if (file_ >= 0) ::close(file_);
}

}  // namespace gptq::hub
