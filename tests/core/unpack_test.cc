// Gzip and zstd: whole, in several members, damaged, cut short, and larger than what is allowed.
#include "core/unpack.h"

#include <zlib.h>
#include <zstd.h>

#include "tests/checkpoint/model_files.h"

namespace gptq {
namespace {

using testing::expect_error;

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

std::string zstd(const std::string& text) {
  std::string packed(ZSTD_compressBound(text.size()), '\0');
  packed.resize(ZSTD_compress(packed.data(), packed.size(), text.data(), text.size(), 3));
  return packed;
}

struct Format {
  const char* name;
  std::string (*pack)(const std::string& text);
  std::string (*unpack)(std::string_view packed, const std::string& what);
  bool (*is)(std::string_view bytes);
};

const Format kFormats[] = {{"gzip", gzip, unpack_gzip, is_gzip}, {"zstd", zstd, unpack_zstd, is_zstd}};

TEST(Unpack, WholeAndInParts) {
  const std::string text = "some text\n" + std::string(200'000, 'x') + "end";
  for (const Format& format : kFormats) {
    const std::string packed = format.pack(text);
    EXPECT_TRUE(format.is(packed)) << format.name;
    EXPECT_FALSE(format.is(text)) << format.name;
    EXPECT_EQ(format.unpack(packed, "a"), text) << format.name;
    EXPECT_EQ(format.unpack(packed + format.pack("") + format.pack("more"), "a"), text + "more") << format.name;
    EXPECT_EQ(format.unpack(format.pack(""), "a"), "") << format.name;
  }
}

TEST(Unpack, DamagedData) {
  std::string text;
  for (int i = 0; i < 5000; ++i) text += std::to_string(i * i);
  for (const Format& format : kFormats) {
    const std::string packed = format.pack(text);
    std::string damaged = packed;
    damaged[4] ^= 0x55;  // the header of either
    damaged[damaged.size() / 2] ^= 0x55;
    for (const std::string& bad :
         {packed.substr(0, packed.size() - 1), packed.substr(0, 20), damaged, packed + "tail", packed.substr(0, 4)}) {
      expect_error(ErrorKind::kVerification, {"file.bin", format.name}, [&] { format.unpack(bad, "file.bin"); });
    }
  }
}

TEST(Unpack, MoreThanIsAllowedIsCountedOnly) {
  const std::string part(64 << 20, 'x');
  for (const Format& format : kFormats) {
    const std::string member = format.pack(part);
    std::string packed;
    for (int i = 0; i < 17; ++i) packed += member;
    expect_error(ErrorKind::kVerification, {"file.bin", "more than 1 GiB"}, [&] { format.unpack(packed, "file.bin"); });
  }
}

}  // namespace
}  // namespace gptq
