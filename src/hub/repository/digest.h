// The hash that identifies a file on the Hub, computed incrementally.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "core/file.h"

namespace gptq::hub {

// 64 digits: SHA-256 of the content (files in Git LFS). 40 digits: Git's blob hash, SHA-1 of "blob SIZE\0" followed
// by the content.
bool is_etag(std::string_view text);

// Source: git-lfs's pointer specification; Git's object format.
class Digest {
 public:
  Digest(const std::string& etag, int64_t size);  // of the same kind as this etag; throws unless is_etag()
  Digest(Digest&&) noexcept;
  Digest& operator=(Digest&&) noexcept;
  ~Digest();

  void add(std::string_view bytes);
  std::string hex();  // ends the computation

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Reads a file from the beginning in pieces; returns the number of bytes. Throws like read_file.
int64_t read_pieces(const fs::path& path, const std::function<void(std::string_view bytes)>& take);

// Computes the content hash of a file in the same format as `etag`. `on_bytes` receives progress and may throw.
std::string digest_of_file(const fs::path& path, const std::string& etag,
                           const std::function<void(int64_t bytes)>& on_bytes);

}  // namespace gptq::hub
