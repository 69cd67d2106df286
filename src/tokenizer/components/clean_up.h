// The removal of spaces that transformers calls clean_up_tokenization_spaces.
#pragma once

#include <string>

namespace gptq::tokenizer {

// Removes the space before . ? ! , and before n't 'm 's 've 're, and the spaces around a lone apostrophe.
std::string without_spaces_before_marks(std::string text);

}  // namespace gptq::tokenizer
