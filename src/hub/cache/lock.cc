// flock() without blocking in the kernel, so that waiting can be interrupted.
#include "hub/cache/lock.h"

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
  return ::fstat(file, &mine) == 0 && ::lstat(path.c_str(), &there) == 0 && mine.st_ino == there.st_ino &&
         mine.st_dev == there.st_dev;
}

// Never follows a link. Only a file created here gets the group's mode: the folder may be shared.
int open_lock(const fs::path& path) {
  constexpr int kFlags = O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
  for (;;) {
    int file = ::open(path.c_str(), kFlags | O_CREAT | O_EXCL, kMode);
    if (file >= 0) {
      (void)!::fchmod(file, kMode);
      return file;
    }
    if (errno != EEXIST) return -1;
    file = ::open(path.c_str(), kFlags);
    if (file >= 0 || errno != ENOENT) return file;  // ENOENT: the previous holder deleted it
  }
}

}  // namespace

FileLock::FileLock(const Session& session, const fs::path& path, const std::string& what) {
  fs::create_directories(path.parent_path());
  for (double waited = 0;;) {
    if (file_ < 0) {
      file_ = open_lock(path);
      if (file_ < 0) throw_system_error("opening the lock", path, errno);
    }
    if (::flock(file_, LOCK_EX | LOCK_NB) == 0) {
      if (is_still_at(file_, path)) return;
      ::close(file_);  // the previous holder deleted the file
      file_ = -1;
      continue;
    }
    if (errno != EWOULDBLOCK && errno != EINTR) return;  // the file system has no locks
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
