// SHA-256 of bytes, for provenance in saved files.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace gptq {

std::string sha256_hex(std::span<const std::byte> bytes);  // 64 lower-case hexadecimal digits

}  // namespace gptq
