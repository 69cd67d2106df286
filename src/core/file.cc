// File access through POSIX calls, so that every failure can name its path and reason.
#include "core/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <utility>

#include <gptq/error.h>

#include "core/check.h"

namespace gptq {

namespace {

constexpr uint64_t kMaxSmallFile = uint64_t{100} << 20;

// The mapped files, for a signal handler: entries are never moved or freed.
struct Mapping {
  std::atomic<const std::byte*> begin = nullptr;
  std::atomic<size_t> size = 0;
  char path[1024] = {};
};
std::array<Mapping, 256> mappings;  // further files are not named
std::mutex mappings_mutex;          // guards writing

void remember_mapping(const std::byte* begin, size_t size, const fs::path& path) {
  const std::lock_guard lock(mappings_mutex);
  for (Mapping& mapping : mappings) {
    if (mapping.begin != nullptr) continue;
    std::strncpy(mapping.path, path.c_str(), sizeof(mapping.path) - 1);
    mapping.size = size;
    mapping.begin = begin;
    return;
  }
}

void forget_mapping(const std::byte* begin) {
  const std::lock_guard lock(mappings_mutex);
  for (Mapping& mapping : mappings) {
    if (mapping.begin == begin) mapping.begin = nullptr;
  }
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

[[noreturn]] void refuse(const fs::path& path, const std::string& what) {
  throw Error(ErrorKind::kVerification, "opening " + path.string() + ": it is " + what +
                                            ", expected a regular file; write its content to a file");
}

const char* kind_of(mode_t mode) {
  if (S_ISFIFO(mode)) return "a pipe";
  if (S_ISSOCK(mode)) return "a socket";
  return "a device";
}

// Non-blocking: opening a pipe without a writer would wait forever.
int open_for_reading(const fs::path& path, struct stat& info) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0 && errno == ENXIO) refuse(path, "a socket or a device");
  if (fd < 0) throw_system_error("opening", path, errno);
  Descriptor opened(fd);
  if (::fstat(fd, &info) != 0) throw_system_error("opening", path, errno);
  if (S_ISDIR(info.st_mode)) throw_system_error("opening", path, EISDIR);
  if (!S_ISREG(info.st_mode)) refuse(path, kind_of(info.st_mode));
  return opened.release();
}

void write_fully(int fd, const fs::path& path, const std::byte* data, size_t size, uint64_t offset) {
  while (size > 0) {
    const ssize_t written = ::pwrite(fd, data, size, static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) throw_system_error("writing", path, written < 0 ? errno : ENOSPC);
    data += written;
    size -= static_cast<size_t>(written);
    offset += static_cast<uint64_t>(written);
  }
}

}  // namespace

void throw_system_error(const std::string& verb, const fs::path& path, int error_number) {
  std::string advice;
  ErrorKind kind = ErrorKind::kGeneral;
  switch (error_number) {
    case ENOENT:
    case ENOTDIR:
      kind = ErrorKind::kNotFound;
      advice = "; check the path";
      break;
    case EACCES:
    case EPERM:
    case EROFS:
      kind = ErrorKind::kPermission;
      advice = "; check the permissions of the file and its folder";
      break;
    case ENOSPC:
    case EDQUOT:
    case EFBIG: advice = "; free some disk space or choose another folder"; break;
    default: break;
  }
  throw Error(kind, verb + " " + path.string() + ": " + std::strerror(error_number) + advice);
}

int open_regular_file(const fs::path& path) {
  struct stat info {};
  return open_for_reading(path, info);
}

MappedFile::MappedFile(const fs::path& path) : path_(path) {
  struct stat info {};
  const Descriptor fd(open_for_reading(path, info));
  size_ = static_cast<size_t>(info.st_size);
  if (size_ == 0) return;
  void* memory = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, fd.get(), 0);
  if (memory == MAP_FAILED) throw_system_error("mapping", path, errno);
  data_ = static_cast<const std::byte*>(memory);
  remember_mapping(data_, size_, path);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)), data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

MappedFile::~MappedFile() {
  if (data_ == nullptr) return;
  forget_mapping(data_);
  ::munmap(const_cast<std::byte*>(data_), size_);
}

void MappedFile::release() const {
  if (data_ != nullptr) ::madvise(const_cast<std::byte*>(data_), size_, MADV_DONTNEED);
}

const char* mapped_file_at(const void* address) {
  for (const Mapping& mapping : mappings) {
    const std::byte* begin = mapping.begin;
    if (begin != nullptr && address >= begin && address < begin + mapping.size) return mapping.path;
  }
  return nullptr;
}

void bring_to_memory(std::span<const std::byte> mapped) {
  if (mapped.empty()) return;
  const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  const uintptr_t begin = reinterpret_cast<uintptr_t>(mapped.data()) / page * page;
  const uintptr_t end = reinterpret_cast<uintptr_t>(mapped.data() + mapped.size());
  ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_WILLNEED);  // reads ahead in large requests
  for (uintptr_t at = begin; at < end; at += page) *reinterpret_cast<const volatile std::byte*>(at);
}

std::string read_file(const fs::path& path, uint64_t max_bytes) {
  struct stat info {};
  const Descriptor fd(open_for_reading(path, info));
  const auto check_size = [&](uint64_t size) {
    if (size <= max_bytes) return;
    throw Error(ErrorKind::kVerification, "reading " + path.string() + ": it has " + std::to_string(size) +
                                              " bytes or more, expected at most " + std::to_string(max_bytes));
  };
  check_size(static_cast<uint64_t>(info.st_size));
  std::string content;
  char chunk[1 << 16];
  while (true) {
    const ssize_t count = ::read(fd.get(), chunk, sizeof(chunk));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw_system_error("reading", path, errno);
    if (count == 0) return content;
    if (info.st_size == 0) refuse(path, "of no size but has content, as the files of /proc are");
    content.append(chunk, static_cast<size_t>(count));
    check_size(content.size());
  }
}

std::string read_small_file(const fs::path& path) { return read_file(path, kMaxSmallFile); }

namespace {

// Creates a file in the folder of `path` under an unused name.
int create_temporary(const fs::path& path, unsigned mode, fs::path& temporary) {
  static std::atomic<int> count{0};  // with the process id: unique among running writers
  constexpr int kTries = 100;        // files left by an earlier process with the same id
  for (int tries = 0;; ++tries) {
    temporary = path.string() + "." + std::to_string(::getpid()) + "-" + std::to_string(++count) + ".tmp";
    const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    if (fd >= 0 || errno != EEXIST || tries == kTries) return fd;
  }
}

}  // namespace

StagedFile::StagedFile(const fs::path& path, std::string_view content, unsigned mode) : path_(path) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode) && !S_ISLNK(info.st_mode)) {
    throw Error(ErrorKind::kUsage,
                "writing " + path.string() +
                    ": found a device, a folder or a pipe, which is not replaced; choose another name");
  }
  const Descriptor fd(create_temporary(path, mode, temporary_));
  if (fd.get() < 0) throw_system_error("creating", temporary_, errno);
  try {
    write_fully(fd.get(), path, reinterpret_cast<const std::byte*>(content.data()), content.size(), 0);
    if (::fsync(fd.get()) != 0) throw_system_error("syncing", temporary_, errno);
  } catch (...) {
    ::unlink(temporary_.c_str());
    throw;
  }
}

StagedFile::StagedFile(StagedFile&& other) noexcept
    : path_(std::move(other.path_)), temporary_(std::exchange(other.temporary_, {})) {}

StagedFile::~StagedFile() {
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void StagedFile::commit() {
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) throw_system_error("renaming to", path_, errno);
  temporary_.clear();
}

void write_file_atomic(const fs::path& path, std::string_view content, unsigned mode) {
  StagedFile(path, content, mode).commit();
}

std::string_view target_of_temporary(std::string_view name) {
  // TARGET.PID-COUNT.tmp
  constexpr std::string_view kEnd = ".tmp", kDigits = "0123456789";
  if (name.size() < kEnd.size() || name.substr(name.size() - kEnd.size()) != kEnd) return {};
  name.remove_suffix(kEnd.size());
  for (const char mark : {'-', '.'}) {
    const size_t at = name.find_last_not_of(kDigits);
    if (at == std::string_view::npos || at + 1 == name.size() || name[at] != mark) return {};
    name = name.substr(0, at);
  }
  return name;
}

PreallocatedFile::PreallocatedFile(const fs::path& path, uint64_t size) : path_(path) {
  descriptor_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (descriptor_ < 0) throw_system_error("creating", path, errno);
  int reason = size > 0 ? ::posix_fallocate(descriptor_, 0, static_cast<off_t>(size)) : 0;
  if (reason == EOPNOTSUPP || reason == EINVAL) reason = 0;  // a file system that cannot reserve space
  if (reason == 0 && ::ftruncate(descriptor_, static_cast<off_t>(size)) != 0) reason = errno;
  if (reason != 0) {
    ::close(std::exchange(descriptor_, -1));
    throw_system_error("reserving " + std::to_string(size) + " bytes for", path, reason);
  }
}

PreallocatedFile::PreallocatedFile(PreallocatedFile&& other) noexcept
    : path_(std::move(other.path_)), descriptor_(std::exchange(other.descriptor_, -1)) {}

PreallocatedFile::~PreallocatedFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void PreallocatedFile::write(uint64_t offset, std::span<const std::byte> bytes) {
  write_fully(descriptor_, path_, bytes.data(), bytes.size(), offset);
}

void PreallocatedFile::sync() {
  if (::fsync(descriptor_) != 0) throw_system_error("syncing", path_, errno);
}

}  // namespace gptq
