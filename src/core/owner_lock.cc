// flock() on a file with a note of three lines: what it is, the process id, the host.
#include "core/owner_lock.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <sstream>
#include <utility>

#include <gptq/error.h>

namespace gptq {

namespace {

constexpr char kFirstLine[] = "locked by gptq";
constexpr size_t kMaxNote = 1024;  // bytes

struct Owner {
  pid_t pid = 0;
  std::string host;
};

std::string this_host() {
  char name[256] = {};
  return ::gethostname(name, sizeof(name) - 1) == 0 && name[0] != '\0' ? name : "unknown";
}

std::string read_note(int file) {
  char text[kMaxNote];
  const ssize_t size = ::pread(file, text, sizeof(text), 0);
  return {text, size > 0 ? static_cast<size_t>(size) : 0};
}

std::optional<Owner> parse_note(const std::string& note) {
  std::istringstream lines(note);
  std::string first;
  Owner owner;
  if (!std::getline(lines, first) || first != kFirstLine || !(lines >> owner.pid >> owner.host)) return std::nullopt;
  return owner;
}

bool is_gone(const Owner& owner) {
  return owner.host == this_host() && owner.pid != ::getpid() && ::kill(owner.pid, 0) != 0 && errno == ESRCH;
}

bool is_at(int file, const fs::path& path) {
  struct stat mine {
  }, there{};
  return ::fstat(file, &mine) == 0 && ::lstat(path.c_str(), &there) == 0 && mine.st_ino == there.st_ino &&
         mine.st_dev == there.st_dev;
}

[[noreturn]] void throw_held(const std::string& verb, const std::optional<Owner>& owner, const std::string& advice) {
  const std::string who = owner ? " (process " + std::to_string(owner->pid) + " on " + owner->host + ")" : "";
  throw Error(ErrorKind::kGeneral,
              verb + ": another gptq" + who + " is using this folder; wait for it or choose another folder" + advice);
}

}  // namespace

std::optional<OwnerLock> OwnerLock::acquire(const fs::path& path, const std::string& verb) {
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0666);
  if (file < 0 && errno == ENOENT) return std::nullopt;
  if (file < 0) throw_system_error("opening the lock", path, errno);
  OwnerLock lock(file, path);
  int result = 0;
  do result = ::flock(file, LOCK_EX | LOCK_NB);
  while (result != 0 && errno == EINTR);
  const std::optional<Owner> owner = parse_note(read_note(file));
  if (result != 0 && errno == EWOULDBLOCK) throw_held(verb, owner, "");
  if (result != 0 && owner && !is_gone(*owner)) {  // no flock() here
    throw_held(verb, owner, ", or delete " + path.string() + " if that process is gone");
  }
  if (!is_at(file, path)) return std::nullopt;
  // Overwritten, then truncated: the file is never empty in between.
  const std::string note = std::string(kFirstLine) + "\n" + std::to_string(::getpid()) + "\n" + this_host() + "\n";
  if (::pwrite(file, note.data(), note.size(), 0) != static_cast<ssize_t>(note.size()) ||
      ::ftruncate(file, static_cast<off_t>(note.size())) != 0) {
    throw_system_error("writing", path, errno);
  }
  return lock;
}

bool OwnerLock::made(const fs::path& path) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) return false;
  if (info.st_size == 0) return true;
  const int file = ::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (file < 0) return false;
  const bool ours = parse_note(read_note(file)).has_value();
  ::close(file);
  return ours;
}

OwnerLock::OwnerLock(OwnerLock&& other) noexcept
    : file_(std::exchange(other.file_, -1)), path_(std::move(other.path_)) {}

OwnerLock::~OwnerLock() {
  if (file_ >= 0) ::close(file_);
}

void OwnerLock::remove_file() { ::unlink(path_.c_str()); }

}  // namespace gptq
