// Files: mapping, atomic writes, preallocated writes, and errors that name the path.
#include "core/file.h"

#include <sys/stat.h>

#include <thread>

#include "tests/checkpoint/model_files.h"

namespace gptq {
namespace {

using testing::expect_error;
using testing::TempFolder;

TEST(Files, WriteMapAndReadBack) {
  const testing::TempFolder folder;
  const std::string content("a\0b\xff", 4);
  write_file_atomic(folder / "x", content);
  EXPECT_EQ(read_file(folder / "x"), content);
  MappedFile first(folder / "x");
  const std::byte* data = first.bytes().data();
  const MappedFile second = std::move(first);
  EXPECT_EQ(second.bytes().data(), data);
  EXPECT_EQ(second.bytes().size(), 4u);
  EXPECT_EQ(static_cast<int>(second.bytes()[3]), 0xFF);
  write_file_atomic(folder / "x", "new");
  EXPECT_EQ(read_file(folder / "x"), "new");
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), {}), 1) << "the temporary file is gone";
  write_file_atomic(folder / "empty", "");
  EXPECT_EQ(MappedFile(folder / "empty").bytes().size(), 0u);
}

TEST(Files, ErrorsNameThePath) {
  const testing::TempFolder folder;
  const fs::path missing = folder / "missing";
  expect_error(ErrorKind::kNotFound, {missing.string()}, [&] { MappedFile{missing}; });
  expect_error(ErrorKind::kNotFound, {missing.string()}, [&] { read_file(missing); });
  expect_error(ErrorKind::kNotFound, {missing.string()}, [&] { write_file_atomic(missing / "x", "y"); });
  expect_error(ErrorKind::kNotFound, {missing.string()}, [&] { PreallocatedFile(missing / "x", 1); });
  expect_error(ErrorKind::kGeneral, {folder.path().string()}, [&] { read_file(folder.path()); });
}

TEST(Files, PreallocatedWritesFromThreads) {
  const testing::TempFolder folder;
  constexpr size_t kBlock = 5000;
  {
    PreallocatedFile file(folder / "x", 8 * kBlock);
    EXPECT_EQ(fs::file_size(folder / "x"), 8 * kBlock);
    std::vector<std::thread> threads;
    for (size_t i = 0; i < 8; ++i) {
      threads.emplace_back([&file, i] {
        const std::string block(kBlock, static_cast<char>('a' + i));
        file.write(i * kBlock, std::as_bytes(std::span(block)));
      });
    }
    for (std::thread& thread : threads) thread.join();
    file.sync();
  }
  const PreallocatedFile again(folder / "x", 8 * kBlock);  // keeps what is there
  const std::string content = read_file(folder / "x");
  for (size_t i = 0; i < content.size(); ++i) ASSERT_EQ(content[i], static_cast<char>('a' + i / kBlock));
}

TEST(Files, OnlyFilesAreReplaced) {
  const testing::TempFolder folder;
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  fs::create_directory(folder / "empty");
  for (const char* name : {"pipe", "empty"}) {
    expect_error(ErrorKind::kUsage, {"writing", name, "not replaced"}, [&] { write_file_atomic(folder / name, "x"); });
  }
  EXPECT_TRUE(fs::is_fifo(folder / "pipe"));
  EXPECT_TRUE(fs::is_directory(folder / "empty"));
}

TEST(Files, PipesDevicesAndProcAreRefused) {
  const testing::TempFolder folder;
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  for (const auto& [path, found] : {std::pair<fs::path, std::string>{folder / "pipe", "a pipe"},
                                    {"/dev/zero", "a device"},
                                    {"/proc/self/status", "/proc"}}) {
    expect_error(ErrorKind::kVerification, {path.string(), found, "regular file"}, [&path = path] { read_file(path); });
  }
  expect_error(ErrorKind::kVerification, {"a pipe"}, [&] { MappedFile(folder / "pipe"); });
}

TEST(Files, SizesHaveLimits) {
  const testing::TempFolder folder;
  write_file_atomic(folder / "x", "12345");
  EXPECT_EQ(read_file(folder / "x", 5), "12345");
  expect_error(ErrorKind::kVerification, {"x", "5 bytes", "at most 4"}, [&] { read_file(folder / "x", 4); });
  fs::resize_file(folder / "x", (uint64_t{100} << 20) + 1);  // a hole
  expect_error(ErrorKind::kVerification, {"at most 104857600"}, [&] { read_small_file(folder / "x"); });
}

}  // namespace
}  // namespace gptq
