// A file that is arriving: what is there survives this process and is gone on with.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/file.h"
#include "hub/repository/digest.h"

namespace gptq::hub {

// Bytes are hashed as they pass, and reach the file in pieces of 64 KiB. A partial of an earlier run is hashed first;
// that it is right shows at the end, where the hash decides. Nothing is reserved on the disk: the file's length is
// what has arrived.
class PartialFile {
 public:
  // Opens or creates; `on_bytes` hears of bytes that are there already. Throws Error(kPermission | kGeneral).
  PartialFile(const fs::path& path, const std::string& etag, int64_t size,
              const std::function<void(int64_t bytes)>& on_bytes);
  PartialFile(const PartialFile&) = delete;
  PartialFile& operator=(const PartialFile&) = delete;
  ~PartialFile();

  int64_t position() const { return position_; }  // where the next byte goes
  bool complete() const { return position_ == size_; }
  bool resumed() const { return resumed_; }  // some bytes are of an earlier run

  // Throws Error(kGeneral) for a full disk, saying that what is there is kept, and Error(kVerification) for more bytes
  // than the file has.
  void append(std::string_view bytes);

  void start_over();  // from the first byte; what is there is written over, so a second writer of it does no harm

  std::string hex();  // the hash of all bytes, once complete
  void discard();     // for bytes that are wrong
  void sync();        // to the disk, and to the right length

 private:
  void flush();       // hashes and writes what is in piece_
  int write_piece();  // errno, 0 when all of it is in the file

  fs::path path_;
  std::string etag_;
  int64_t size_;
  int file_ = -1;
  int64_t position_ = 0;
  int64_t written_ = 0, flushing_ = 0;  // bytes in the file; of those, on their way to the disk
  std::vector<char> piece_;             // bytes behind written_
  bool resumed_ = false;
  Digest digest_;
};

}  // namespace gptq::hub
