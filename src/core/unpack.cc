// zlib and libzstd with a common loop.
#include "core/unpack.h"

#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cstddef>

#include <gptq/error.h>

#include "core/check.h"

namespace gptq {

namespace {

constexpr size_t kMaxUnpacked = size_t{1} << 30;

struct Damaged {};

class GzipReader {
 public:
  static constexpr const char* kName = "gzip";
  static constexpr const char* kCheck = "gzip -t";

  explicit GzipReader(std::string_view packed) : rest_(packed) {
    CHECK(inflateInit2(&stream_, 16 + MAX_WBITS) == Z_OK);
  }
  GzipReader(const GzipReader&) = delete;
  GzipReader& operator=(const GzipReader&) = delete;
  ~GzipReader() { inflateEnd(&stream_); }

  // The number of bytes written; fewer than `size` only at the end.
  size_t read(char* out, size_t size) {
    stream_.next_out = reinterpret_cast<Bytef*>(out);
    stream_.avail_out = static_cast<uInt>(size);
    while (stream_.avail_out > 0 && !ended_) {
      if (stream_.avail_in == 0) feed();
      const int status = inflate(&stream_, Z_NO_FLUSH);
      if (status != Z_OK && status != Z_STREAM_END) throw Damaged();
      if (status != Z_STREAM_END) continue;
      ended_ = stream_.avail_in == 0 && rest_.empty();
      if (!ended_ && inflateReset(&stream_) != Z_OK) throw Damaged();  // several members
    }
    return size - stream_.avail_out;
  }

 private:
  void feed() {
    constexpr size_t kMaxPart = size_t{1} << 30;  // zlib counts in 32 bits
    const std::string_view part = rest_.substr(0, kMaxPart);
    rest_.remove_prefix(part.size());
    stream_.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(part.data()));
    stream_.avail_in = static_cast<uInt>(part.size());
  }

  z_stream stream_{};
  std::string_view rest_;
  bool ended_ = false;
};

class ZstdReader {
 public:
  static constexpr const char* kName = "zstd";
  static constexpr const char* kCheck = "zstd -t";

  explicit ZstdReader(std::string_view packed) : context_(ZSTD_createDCtx()), in_{packed.data(), packed.size(), 0} {
    CHECK(context_ != nullptr);
  }
  ZstdReader(const ZstdReader&) = delete;
  ZstdReader& operator=(const ZstdReader&) = delete;
  ~ZstdReader() { ZSTD_freeDCtx(context_); }

  size_t read(char* out, size_t size) {
    ZSTD_outBuffer buffer{out, size, 0};
    while (buffer.pos < size && !ended_) {
      const size_t before = buffer.pos, taken = in_.pos;
      const size_t wanted = ZSTD_decompressStream(context_, &buffer, &in_);
      if (ZSTD_isError(wanted)) throw Damaged();
      ended_ = wanted == 0 && in_.pos == in_.size;
      if (!ended_ && buffer.pos == before && in_.pos == taken) throw Damaged();  // it needs more input than there is
    }
    return buffer.pos;
  }

 private:
  ZSTD_DCtx* context_;
  ZSTD_inBuffer in_;
  bool ended_ = false;
};

template <typename Reader>
std::string unpack(std::string_view packed, const std::string& what) {
  const auto refuse = [&](const std::string& found) {
    throw Error(ErrorKind::kVerification,
                "unpacking " + what + ": " + found + "; check it with `" + Reader::kCheck + "`");
  };
  std::string text;
  try {
    size_t size = 0;
    char chunk[1 << 16];
    Reader counter(packed);
    for (size_t more = 1; more > 0; size += more) {
      if (size > kMaxUnpacked) refuse("more than 1 GiB of text");
      more = counter.read(chunk, sizeof(chunk));
    }
    text.resize(size);
    Reader reader(packed);
    for (size_t done = 0; done < size;) done += reader.read(text.data() + done, std::min(size - done, sizeof(chunk)));
  } catch (const Damaged&) {
    refuse(std::string("the ") + Reader::kName + " data is damaged or cut short");
  }
  return text;
}

}  // namespace

bool is_gzip(std::string_view bytes) { return bytes.starts_with("\x1F\x8B"); }
bool is_zstd(std::string_view bytes) { return bytes.starts_with("\x28\xB5\x2F\xFD"); }

std::string unpack_gzip(std::string_view packed, const std::string& what) { return unpack<GzipReader>(packed, what); }
std::string unpack_zstd(std::string_view packed, const std::string& what) { return unpack<ZstdReader>(packed, what); }

}  // namespace gptq
