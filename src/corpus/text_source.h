// A file's bytes as UTF-8 text, or an error that says what they are and how to convert them.
#pragma once

#include <string>

namespace gptq::corpus {

// Unpacks gzip and zstd, converts UTF-16, removes a byte order mark. Only the bytes decide, `name` is for errors. Throws
// Error(kVerification) for anything else that is not UTF-8 without zero bytes.
std::string decode_text(std::string bytes, const std::string& name);

}  // namespace gptq::corpus
