// Tokenizers for tests, from JSON written in the test.
#pragma once

#include <string>

#include <gptq/tokenizer.h>

#include "tests/temp_folder.h"

namespace gptq::tokenizer {

inline Tokenizer make_tokenizer(const std::string& json, const std::string& config = "{}") {
  const testing::TempFolder folder;
  folder.write("tokenizer.json", json);
  folder.write("tokenizer_config.json", config);
  return Tokenizer::open(folder.path());
}

}  // namespace gptq::tokenizer
