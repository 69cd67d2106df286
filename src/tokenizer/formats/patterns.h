// Word patterns for tokenizer files that contain none or a wrong one (Oniguruma syntax).
#pragma once

namespace gptq::tokenizer {

extern const char* const kLlama3Pattern;  // also OpenAI's cl100k_base
extern const char* const kQwenPattern;    // Qwen 1 to 3: every digit is a word
extern const char* const kO200kPattern;   // OpenAI's o200k_base
extern const char* const kTekkenPattern;  // Mistral's tekken: words end at changes of case

}  // namespace gptq::tokenizer
