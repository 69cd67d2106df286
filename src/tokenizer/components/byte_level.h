// GPT-2's byte alphabet: every byte written as one printable character, so that any bytes are words of text.
#pragma once

#include <string>
#include <string_view>

namespace gptq::tokenizer {

// Bytes 0x21-0x7E, 0xA1-0xAC and 0xAE-0xFF stand for themselves; the other 68 become U+0100, U+0101, ... in order.
std::string_view byte_alphabet(unsigned char byte);  // the character as UTF-8, valid for ever

int byte_of_alphabet(char32_t code);  // -1 when the character is not in the alphabet

// The bytes that a token stands for. A token with a character outside the alphabet, such as an added token, stands
// for its own UTF-8.
std::string bytes_of_token(std::string_view token);

extern const char* const kGpt2Pattern;  // how GPT-2 cuts text into words (Oniguruma syntax)

}  // namespace gptq::tokenizer
