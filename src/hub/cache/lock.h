// An advisory lock that huggingface_hub's processes honour too.
#pragma once

#include "hub/http/session.h"

namespace gptq::hub {

// flock() on a file of mode 0664, which stays there. Waits for other holders, saying so once; where the file system has
// no locks it holds nothing, and what it guards must bear that. Source: huggingface_hub's WeakFileLock.
class FileLock {
 public:
  // `what` completes "waiting for another process that ...". Throws Error(kInterrupted | kPermission | kGeneral).
  FileLock(const Session& session, const fs::path& path, const std::string& what);
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;
  ~FileLock();

 private:
  int file_ = -1;
};

}  // namespace gptq::hub
