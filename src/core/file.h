// Files: mapped reading, whole reading, and writing that is atomic or not at all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace gptq {

namespace fs = std::filesystem;

// A read-only mapping of a whole file. Only regular files are opened, here and below: pipes, devices and the files
// of /proc would be waited for, or never end. Throws Error(kNotFound | kPermission | kVerification | kGeneral)
// naming the path.
class MappedFile {
 public:
  explicit MappedFile(const fs::path& path);
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

// A descriptor to read `path`, which is the caller's to close; throws like MappedFile.
int open_regular_file(const fs::path& path);

// Reads a part of a mapping from the disk, if it is not in memory yet, and maps its pages.
void bring_to_memory(std::span<const std::byte> mapped);

// Declared in include/gptq/gptq.h, too. The path of the MappedFile that holds `address`, nullptr when there is none.
// Safe in a signal handler: touching a page behind the end of a file that was cut short raises SIGBUS.
const char* mapped_file_at(const void* address);

// The whole file as bytes; throws like MappedFile, and Error(kVerification) when it is larger than `max_bytes`.
std::string read_file(const fs::path& path, uint64_t max_bytes = uint64_t{4} << 30);

// read_file for what people and tools write by hand: configs, indexes, templates, notes. At most 100 MiB.
std::string read_small_file(const fs::path& path);

// Writes `content` to a temporary name of its own in the same folder, syncs and renames: readers see the old file or
// the new one, never a part. The temporary file is always made by this call, with `mode` less the umask. Throws
// Error(kUsage) when `path` is a device, a folder or a pipe, Error(kPermission | kGeneral) with the system's reason (a full
// disk among them).
void write_file_atomic(const fs::path& path, std::string_view content, unsigned mode = 0666);

// The name of the file that `name` is a temporary of, as write_file_atomic makes them and a killed process leaves them;
// empty when it is none.
std::string_view target_of_temporary(std::string_view name);

// A file of a size known in advance, filled in any order. The space is reserved at once, so that a full disk is
// an error before any work is done. Writes from several threads to different ranges are safe.
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

// The reason of the last failed system call on `path`, as an Error: "<verb> <path>: <reason>; <advice>".
[[noreturn]] void throw_system_error(const std::string& verb, const fs::path& path, int error_number);

}  // namespace gptq
