// Decompression of text in memory: gzip and zstd.
#pragma once

#include <string>
#include <string_view>

namespace gptq {

// Detected by the first bytes.
bool is_gzip(std::string_view bytes);
bool is_zstd(std::string_view bytes);

// All members, or frames, concatenated. The size is computed before memory is allocated, so that no more is used than
// needed, and none for rejected data. Throws Error(kVerification), naming `what`, for data that is damaged or truncated
// and for more than 1 GiB of text.
std::string unpack_gzip(std::string_view packed, const std::string& what);
std::string unpack_zstd(std::string_view packed, const std::string& what);

}  // namespace gptq
