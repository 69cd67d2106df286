// Packed text in memory, unpacked: gzip and zstd.
#pragma once

#include <string>
#include <string_view>

namespace gptq {

// By the first bytes.
bool is_gzip(std::string_view bytes);
bool is_zstd(std::string_view bytes);

// All members, or frames, behind each other. The text is counted before it is made, so that no more memory is taken
// than it needs, and none by data that is refused. Throws Error(kVerification), naming `what`, for data that is damaged
// or cut short and for more than 1 GiB of text.
std::string unpack_gzip(std::string_view packed, const std::string& what);
std::string unpack_zstd(std::string_view packed, const std::string& what);

}  // namespace gptq
