// An advisory lock that processes of huggingface_hub respect too.
#pragma once

#include "hub/http/session.h"

namespace gptq::hub {

// flock() on a file of mode 0664, which is not removed. Waits for other holders and reports that once. On a file system
// without locks it locks nothing; callers must stay correct then. Source: huggingface_hub's WeakFileLock.
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
