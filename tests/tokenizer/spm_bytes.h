// SentencePiece models for tests, written field by field.
#pragma once

#include <bit>
#include <cstdint>
#include <string>

namespace gptq::tokenizer {

inline std::string varint(uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes += static_cast<char>(value | 0x80);
  return bytes + static_cast<char>(value);
}

inline std::string number_field(int field, uint64_t value) {
  return varint(static_cast<uint64_t>(field) << 3) + varint(value);
}

inline std::string bytes_field(int field, const std::string& value) {
  return varint(static_cast<uint64_t>(field) << 3 | 2) + varint(value.size()) + value;
}

inline std::string float_field(int field, float value) {
  std::string bytes = varint(static_cast<uint64_t>(field) << 3 | 5);
  const auto bits = std::bit_cast<uint32_t>(value);
  for (int shift = 0; shift < 32; shift += 8) bytes += static_cast<char>(bits >> shift);
  return bytes;
}

// Types: 1 normal, 2 unknown, 3 control, 4 user-defined, 6 byte.
inline std::string piece(const std::string& text, float score = 0, uint64_t type = 1) {
  return bytes_field(1, bytes_field(1, text) + float_field(2, score) + number_field(3, type));
}

// <unk>, <s>, </s> and then `pieces`.
inline std::string bpe_model(const std::string& pieces, const std::string& normalizer = "") {
  return piece("<unk>", 0, 2) + piece("<s>", 0, 3) + piece("</s>", 0, 3) + pieces + bytes_field(2, number_field(3, 2)) +
         bytes_field(3, normalizer);
}

}  // namespace gptq::tokenizer
