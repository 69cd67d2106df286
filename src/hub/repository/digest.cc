// SHA-256 and Git's SHA-1 over OpenSSL.
#include "hub/repository/digest.h"

#include <openssl/evp.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include <gptq/error.h>

#include "core/ascii.h"
#include "core/check.h"

namespace gptq::hub {

bool is_etag(std::string_view text) {
  return (text.size() == 40 || text.size() == 64) && std::all_of(text.begin(), text.end(), is_lower_hex);
}

struct Digest::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  ~State() { EVP_MD_CTX_free(context); }
};

Digest::Digest(const std::string& etag, int64_t size) : state_(std::make_unique<State>()) {
  CHECK(is_etag(etag), "names of files are checked where they come in");
  const bool lfs = etag.size() == 64;
  CHECK(EVP_DigestInit_ex(state_->context, lfs ? EVP_sha256() : EVP_sha1(), nullptr) == 1);
  if (!lfs) add("blob " + std::to_string(size) + std::string(1, '\0'));
}
Digest::Digest(Digest&&) noexcept = default;
Digest& Digest::operator=(Digest&&) noexcept = default;
Digest::~Digest() = default;

void Digest::add(std::string_view bytes) { CHECK(EVP_DigestUpdate(state_->context, bytes.data(), bytes.size()) == 1); }

std::string Digest::hex() {
  static constexpr char kDigits[] = "0123456789abcdef";
  unsigned char bytes[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  CHECK(EVP_DigestFinal_ex(state_->context, bytes, &size) == 1);
  std::string text;
  for (unsigned i = 0; i < size; ++i) text += kDigits[bytes[i] >> 4], text += kDigits[bytes[i] & 15];
  return text;
}

int64_t read_pieces(const fs::path& path, const std::function<void(std::string_view bytes)>& take) {
  const int file = open_regular_file(path);
  const std::unique_ptr<const int, void (*)(const int*)> closed(&file, [](const int* open) { ::close(*open); });
  std::vector<char> piece(size_t{1} << 18);
  for (int64_t total = 0;;) {
    const ssize_t got = ::read(file, piece.data(), piece.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw_system_error("reading", path, errno);
    if (got == 0) return total;
    take({piece.data(), static_cast<size_t>(got)});
    total += got;
  }
}

std::string digest_of_file(const fs::path& path, const std::string& etag,
                           const std::function<void(int64_t bytes)>& on_bytes) {
  Digest digest(etag, static_cast<int64_t>(fs::file_size(path)));
  read_pieces(path, [&](std::string_view bytes) {
    digest.add(bytes);
    on_bytes(static_cast<int64_t>(bytes.size()));
  });
  return digest.hex();
}

}  // namespace gptq::hub
