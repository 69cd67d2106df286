// A lock file that names its holder: one process at a time works in a folder.
#pragma once

#include <optional>
#include <string>

#include "core/file.h"

namespace gptq {

// Held by flock() for the lifetime of the object, so that the lock of a dead process is free. The file names the holder
// (process id and host) and is not removed; remove_file() removes it while it is still held. On a file system without
// flock() the note decides: a holder on this host whose process does not exist is ignored.
class OwnerLock {
 public:
  // nullopt if the folder or the file was removed meanwhile: check again. Throws Error(kGeneral), "`verb`: another
  // gptq (process 1 on host) is using this folder", if it is held; Error(kPermission | kGeneral) from the system. Does
  // not follow a symbolic link.
  static std::optional<OwnerLock> acquire(const fs::path& path, const std::string& verb);

  // True if `path` is a regular file that acquire() may have created: empty (the process died in between) or
  // with its note.
  static bool made(const fs::path& path);

  OwnerLock(OwnerLock&& other) noexcept;
  OwnerLock& operator=(OwnerLock&&) = delete;
  ~OwnerLock();

  void remove_file();

 private:
  OwnerLock(int file, fs::path path) : file_(file), path_(std::move(path)) {}

  int file_ = -1;
  fs::path path_;
};

}  // namespace gptq
