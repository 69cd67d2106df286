// The tokens <0x00> ... <0xFF> of a vocabulary, used for text that no other token spells.
#pragma once

#include <array>
#include <string>

#include "tokenizer/components/vocabulary.h"

namespace gptq::tokenizer {

inline std::string byte_token(int byte) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  return std::string("<0x") + kDigits[byte >> 4] + kDigits[byte & 15] + ">";
}

class ByteTokens {
 public:
  explicit ByteTokens(const Vocabulary& vocabulary) {
    for (int byte = 0; byte < 256; ++byte) ids_[static_cast<size_t>(byte)] = vocabulary.find(byte_token(byte));
  }
  TokenId id(char byte) const { return ids_[static_cast<unsigned char>(byte)]; }  // -1 where absent
  bool spell(std::string_view text) const {
    for (const char byte : text) {
      if (id(byte) < 0) return false;
    }
    return true;
  }

 private:
  std::array<TokenId, 256> ids_;
};

}  // namespace gptq::tokenizer
