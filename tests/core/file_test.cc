// Files: mapping, gzip, atomic writes, preallocated writes, and errors that name the path.
#include "core/file.h"

#include <sys/stat.h>
#include <zlib.h>

#include <thread>

#include "tests/checkpoint/model_files.h"

namespace gptq {
namespace {

using testing::expect_error;
using testing::TempFolder;

std::string gzip(const std::string& text) {
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string packed(deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

TEST(Files, WriteMapAndReadBack) {
  const TempFolder folder;
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
  const TempFolder folder;
  const fs::path missing = folder / "missing";
  expect_error(ErrorKind::kNotFound, {missing.string()}, [&] { MappedFile{missing}; });
  expect_error(ErrorKind::kNotFound, {missing.string()}, [&] { read_file(missing); });
  expect_error(ErrorKind::kNotFound, {missing.string()}, [&] { write_file_atomic(missing / "x", "y"); });
  expect_error(ErrorKind::kNotFound, {missing.string()}, [&] { PreallocatedFile(missing / "x", 1); });
  expect_error(ErrorKind::kGeneral, {folder.path().string()}, [&] { read_file(folder.path()); });
}

TEST(Files, Gzip) {
  const TempFolder folder;
  const std::string text = "some text\n" + std::string(200'000, 'x');
  write_file_atomic(folder / "plain", text);
  EXPECT_EQ(read_text(folder / "plain"), text);
  const std::string packed = gzip(text);
  write_file_atomic(folder / "packed", packed);
  EXPECT_EQ(read_text(folder / "packed"), text);
  write_file_atomic(folder / "members", packed + gzip("more"));
  EXPECT_EQ(read_text(folder / "members"), text + "more");
  std::string damaged = packed;
  damaged[damaged.size() / 2] ^= 0x55;
  for (const std::string& bad : {packed.substr(0, packed.size() - 1), packed.substr(0, 20), damaged, packed + "tail",
                                 std::string("\x1f\x8b", 2)}) {
    write_file_atomic(folder / "bad", bad);
    expect_error(ErrorKind::kVerification, {(folder / "bad").string()}, [&] { read_text(folder / "bad"); });
  }
}

TEST(Files, PreallocatedWritesFromThreads) {
  const TempFolder folder;
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

TEST(Files, PipesDevicesAndProcAreRefused) {
  const TempFolder folder;
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  for (const auto& [path, found] : {std::pair<fs::path, std::string>{folder / "pipe", "a pipe"},
                                    {"/dev/zero", "a device"},
                                    {"/proc/self/status", "/proc"}}) {
    expect_error(ErrorKind::kVerification, {path.string(), found, "regular file"}, [&] { read_file(path); });
    expect_error(ErrorKind::kVerification, {path.string(), found, "regular file"}, [&] { read_text(path); });
  }
  expect_error(ErrorKind::kVerification, {"a pipe"}, [&] { MappedFile(folder / "pipe"); });
}

TEST(Files, SizesHaveLimits) {
  const TempFolder folder;
  write_file_atomic(folder / "x", "12345");
  EXPECT_EQ(read_file(folder / "x", 5), "12345");
  expect_error(ErrorKind::kVerification, {"x", "5 bytes", "at most 4"}, [&] { read_file(folder / "x", 4); });
  fs::resize_file(folder / "x", (uint64_t{100} << 20) + 1);  // a hole
  expect_error(ErrorKind::kVerification, {"at most 104857600"}, [&] { read_small_file(folder / "x"); });
}

}  // namespace
}  // namespace gptq
