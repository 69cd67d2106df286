// Writes at an explicit position, so that two processes whose lock fails write the same bytes.
#include "hub/download/partial_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include <gptq/error.h>

namespace gptq::hub {

namespace {

constexpr size_t kPiece = 64 << 10;        // bytes per write
constexpr int64_t kWriteBehind = 8 << 20;  // the kernel starts writing early, so that sync() only waits for the rest

}  // namespace

PartialFile::PartialFile(const fs::path& path, const std::string& etag, int64_t size,
                         const std::function<void(int64_t bytes)>& on_bytes)
    : path_(path), etag_(etag), size_(size), digest_(etag, size) {
  file_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
  if (file_ < 0) throw_system_error("creating", path, errno);
  try {
    struct stat info {};
    if (::fstat(file_, &info) != 0) throw_system_error("reading", path, errno);
    if (info.st_size > size && ::ftruncate(file_, 0) != 0) throw_system_error("emptying", path, errno);
    position_ = read_pieces(path, [&](std::string_view bytes) {
      digest_.add(bytes);
      on_bytes(static_cast<int64_t>(bytes.size()));
    });
  } catch (...) {
    ::close(file_);
    throw;
  }
  resumed_ = position_ > 0;
  written_ = position_;
  piece_.reserve(kPiece);
}

PartialFile::~PartialFile() {
  write_piece();
  ::close(file_);
}

void PartialFile::append(std::string_view bytes) {
  if (static_cast<int64_t>(bytes.size()) > size_ - position_) {
    discard();
    throw Error(ErrorKind::kVerification, "fetching " + path_.filename().string() + ": found more bytes than the " +
                                              std::to_string(size_) +
                                              " that the Hub announced; the partial file was deleted; try again later");
  }
  position_ += static_cast<int64_t>(bytes.size());
  while (!bytes.empty()) {
    const std::string_view part = bytes.substr(0, kPiece - piece_.size());
    piece_.insert(piece_.end(), part.begin(), part.end());
    bytes.remove_prefix(part.size());
    if (piece_.size() == kPiece) flush();
  }
  if (complete()) flush();
}

void PartialFile::flush() {
  digest_.add({piece_.data(), piece_.size()});
  if (const int reason = write_piece(); reason != 0) {
    throw Error(reason == EACCES || reason == EPERM ? ErrorKind::kPermission : ErrorKind::kGeneral,
                "writing " + path_.string() + ": " + std::strerror(reason) + "; the " + std::to_string(written_) +
                    " of " + std::to_string(size_) +
                    " bytes that arrived are kept: free some space, or set HF_HOME to a larger disk, and run the same "
                    "command again");
  }
  if (written_ - flushing_ < kWriteBehind) return;
  ::sync_file_range(file_, flushing_, written_ - flushing_, SYNC_FILE_RANGE_WRITE);
  flushing_ = written_;
}

int PartialFile::write_piece() {
  for (size_t done = 0; done < piece_.size();) {
    const ssize_t written = ::pwrite(file_, piece_.data() + done, piece_.size() - done, written_);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      piece_.clear();
      return written < 0 ? errno : ENOSPC;
    }
    done += static_cast<size_t>(written);
    written_ += written;
  }
  piece_.clear();
  return 0;
}

void PartialFile::start_over() {
  position_ = written_ = flushing_ = 0;
  piece_.clear();
  resumed_ = false;
  digest_ = Digest(etag_, size_);
}

std::string PartialFile::hex() { return digest_.hex(); }

void PartialFile::discard() { ::unlink(path_.c_str()); }

void PartialFile::sync() {
  if (::ftruncate(file_, size_) != 0 || ::fdatasync(file_) != 0) throw_system_error("writing", path_, errno);
}

}  // namespace gptq::hub
