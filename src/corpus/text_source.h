// The bytes of a file as UTF-8 text, or an error that names their format and how to convert them.
#pragma once

#include <string>

namespace gptq::corpus {

// Decompresses gzip and zstd, converts UTF-16, removes a byte order mark. The format is detected from the bytes; `name`
// is for errors. Throws Error(kVerification) for anything else that is not UTF-8 without zero bytes.
std::string decode_text(std::string bytes, const std::string& name);

}  // namespace gptq::corpus
