// Tables of the byte alphabet, computed once.
#include "tokenizer/components/byte_level.h"

#include <array>

#include "unicode/characters.h"

namespace gptq::tokenizer {

namespace {

struct Alphabet {
  std::array<std::string, 256> spelling;
  std::array<int, 512> byte;

  Alphabet() {
    byte.fill(-1);
    char32_t next = 0x100;
    for (int value = 0; value < 256; ++value) {
      const bool printable =
          (value >= 0x21 && value <= 0x7E) || (value >= 0xA1 && value <= 0xAC) || (value >= 0xAE && value <= 0xFF);
      const char32_t code = printable ? static_cast<char32_t>(value) : next++;
      spelling[static_cast<size_t>(value)] = utf8(code);
      byte[code] = value;
    }
  }
};

const Alphabet& alphabet() {
  static const Alphabet kAlphabet;
  return kAlphabet;
}

}  // namespace

const char* const kGpt2Pattern = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

std::string_view byte_alphabet(unsigned char byte) { return alphabet().spelling[byte]; }

int byte_of_alphabet(char32_t code) { return code < alphabet().byte.size() ? alphabet().byte[code] : -1; }

std::string bytes_of_token(std::string_view token) {
  std::string bytes;
  for (size_t position = 0; position < token.size();) {
    const int byte = byte_of_alphabet(next_char(token, position));
    if (byte < 0) return std::string(token);
    bytes.push_back(static_cast<char>(byte));
  }
  return bytes;
}

}  // namespace gptq::tokenizer
