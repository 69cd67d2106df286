// Files: memory mapping, reading, and atomic writing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace gptq {

namespace fs = std::filesystem;

// A read-only mapping of a whole file. Here and below only regular files are opened: pipes, devices and files of /proc
// could block or never end. Throws Error(kNotFound | kPermission | kVerification | kGeneral) naming the path.
class MappedFile {
 public:
  explicit MappedFile(const fs::path& path);
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  const fs::path& path() const { return path_; }
  // Gives the pages in memory back to the system, which reads them again when they are used again.
  void release() const;

 private:
  fs::path path_;
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

// A descriptor to read `path`, closed by the caller; throws like MappedFile.
int open_regular_file(const fs::path& path);

// Reads a part of a mapping from the disk, if it is not in memory yet, and maps its pages.
void bring_to_memory(std::span<const std::byte> mapped);

// Also declared in include/gptq/gptq.h. The path of the MappedFile that contains `address`; nullptr if there is none.
// Async-signal-safe: touching a page past the end of a truncated file raises SIGBUS.
const char* mapped_file_at(const void* address);

// The whole file as bytes; throws like MappedFile, and Error(kVerification) when it is larger than `max_bytes`.
std::string read_file(const fs::path& path, uint64_t max_bytes = uint64_t{4} << 30);

// read_file for small files such as configs, indexes, templates and notes: at most 100 MiB.
std::string read_small_file(const fs::path& path);

// New content for `path`, in a temporary file of the same folder until commit() renames it: readers see the old file or
// the new one, never a part. Without commit() the temporary file is removed. It is always a new file, with `mode` less
// the umask. Throws Error(kUsage) if `path` is a device, a folder or a pipe, Error(kPermission | kGeneral) with the
// system's reason (including a full disk).
class StagedFile {
 public:
  StagedFile(const fs::path& path, std::string_view content, unsigned mode = 0666);  // writes and syncs
  StagedFile(StagedFile&& other) noexcept;
  StagedFile& operator=(StagedFile&&) = delete;
  ~StagedFile();

  const fs::path& path() const { return path_; }
  void commit();

 private:
  fs::path path_, temporary_;
};

// A StagedFile, committed.
void write_file_atomic(const fs::path& path, std::string_view content, unsigned mode = 0666);

// The target of the temporary file of a StagedFile (they remain if a process is killed); "" for other names.
std::string_view target_of_temporary(std::string_view name);

// A file of known size, written in any order. Its space is reserved first, so that a full disk is an error at
// construction. Concurrent writes to different ranges are safe.
class PreallocatedFile {
 public:
  PreallocatedFile(const fs::path& path, uint64_t size);  // creates; an existing file of that size is kept
  PreallocatedFile(PreallocatedFile&& other) noexcept;
  PreallocatedFile& operator=(PreallocatedFile&&) = delete;
  ~PreallocatedFile();

  void write(uint64_t offset, std::span<const std::byte> bytes);
  void sync();

 private:
  fs::path path_;
  int descriptor_ = -1;
};

// Throws the error of the last failed system call on `path`: "<verb> <path>: <reason>; <advice>".
[[noreturn]] void throw_system_error(const std::string& verb, const fs::path& path, int error_number);

}  // namespace gptq
