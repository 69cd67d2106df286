// GPT-2's byte alphabet: every byte as one printable character, so that any bytes can be spelled as text.
#pragma once

#include <string>
#include <string_view>

namespace gptq::tokenizer {

// Bytes 0x21-0x7E, 0xA1-0xAC and 0xAE-0xFF map to themselves; the other 68 map to U+0100, U+0101, ... in order.
std::string_view byte_alphabet(unsigned char byte);  // the character as UTF-8, in static storage

int byte_of_alphabet(char32_t code);  // -1 when the character is not in the alphabet

// The bytes that a token spells. A token with a character outside the alphabet, such as an added token, spells
// its own UTF-8.
std::string bytes_of_token(std::string_view token);

extern const char* const kGpt2Pattern;  // GPT-2's word pattern (Oniguruma syntax)

}  // namespace gptq::tokenizer
