// A partially downloaded file; it survives the process and is resumed.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/file.h"
#include "hub/repository/digest.h"

namespace gptq::hub {

// Bytes are hashed as they arrive and written in pieces of 64 KiB. The bytes of an earlier run are hashed first; the
// hash of the whole file shows in the end whether they are correct. No disk space is reserved: the length of the file
// is the number of bytes received.
class PartialFile {
 public:
  // Opens or creates the file; `on_bytes` receives the number of bytes that exist already. Throws
  // Error(kPermission | kGeneral).
  PartialFile(const fs::path& path, const std::string& etag, int64_t size,
              const std::function<void(int64_t bytes)>& on_bytes);
  PartialFile(const PartialFile&) = delete;
  PartialFile& operator=(const PartialFile&) = delete;
  ~PartialFile();

  int64_t position() const { return position_; }  // offset of the next byte
  bool complete() const { return position_ == size_; }
  bool resumed() const { return resumed_; }  // some bytes are from an earlier run

  // Throws Error(kGeneral) for a full disk, saying that the bytes so far are kept, and Error(kVerification) for more
  // bytes than the file has.
  void append(std::string_view bytes);

  // restarts at the first byte; the old bytes are overwritten in place, which is safe with a second writer
  void start_over();

  std::string hex();  // the hash of all bytes, once complete
  void discard();     // deletes the file
  void sync();        // truncates to the exact size and flushes to the disk

 private:
  void flush();       // hashes and writes piece_
  int write_piece();  // errno; 0 on success

  fs::path path_;
  std::string etag_;
  int64_t size_;
  int file_ = -1;
  int64_t position_ = 0;
  int64_t written_ = 0, flushing_ = 0;  // bytes in the file, and bytes passed to the kernel for writing
  std::vector<char> piece_;             // bytes after written_
  bool resumed_ = false;
  Digest digest_;
};

}  // namespace gptq::hub
