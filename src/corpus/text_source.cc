// Decompression, magic numbers, UTF-16, and the UTF-8 check.
#include "corpus/text_source.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include <gptq/error.h>

#include "core/unpack.h"
#include "core/utf8.h"

namespace gptq::corpus {

namespace {

using namespace std::string_view_literals;

struct Format {
  std::string_view magic;
  const char* what;
  const char* advice;  // FILE stands for the file's name
};

constexpr const char* kPlainAdvice = "use plain text, JSON lines or CSV";

constexpr Format kFormats[] = {
    {"PAR1", "a parquet file",
     "convert it (pip install pandas pyarrow) with: python3 -c \"import pandas; "
     "pandas.read_parquet('FILE').to_json('FILE.jsonl', orient='records', lines=True)\""},
    {"ARROW1", "an Arrow (feather) file",
     "convert it (pip install pandas pyarrow) with: python3 -c \"import pandas; "
     "pandas.read_feather('FILE').to_json('FILE.jsonl', orient='records', lines=True)\""},
    {"\xFF\xFF\xFF\xFF", "an Arrow stream",
     "convert it (pip install datasets) with: python3 -c \"import datasets; "
     "datasets.Dataset.from_file('FILE').to_json('FILE.jsonl')\""},
    {"\xFD"
     "7zXZ",
     "xz data", "unpack it with: xz -dk 'FILE'"},
    {"BZh9"
     "1AY&SY",
     "bzip2 data", "unpack it with: bzip2 -dk 'FILE'"},
    {"7z\xBC\xAF\x27\x1C", "a 7z archive", "unpack it with: 7z x 'FILE'"},
    {"PK\x03\x04", "a zip archive or an office document", "unpack it, or save it as plain text"},
    {"%PDF-", "a PDF document", "convert it with: pdftotext 'FILE'"},
    {"GGUF", "a GGUF model", kPlainAdvice},
    {"SQLite format 3"sv, "an SQLite database", kPlainAdvice},
};

[[noreturn]] void refuse(const std::string& name, const std::string& found, std::string advice) {
  for (size_t at = 0; (at = advice.find("FILE", at)) != std::string::npos; at += name.size()) {
    advice.replace(at, 4, name);
  }
  throw Error(ErrorKind::kVerification, "reading " + name + ": found " + found + ", expected text; " + advice);
}

enum class TextEncoding { kOther, kUtf16Little, kUtf16Big };

// By the byte order mark, or by the zero bytes in every second position of Latin text.
TextEncoding find_encoding(std::string_view bytes) {
  if (bytes.size() % 2 != 0) return TextEncoding::kOther;
  if (bytes.starts_with("\xFF\xFE")) return TextEncoding::kUtf16Little;
  if (bytes.starts_with("\xFE\xFF")) return TextEncoding::kUtf16Big;
  constexpr size_t kLooked = 4096;
  size_t zeros[2] = {0, 0};
  const size_t end = std::min(bytes.size(), kLooked);
  for (size_t i = 0; i < end; ++i) zeros[i % 2] += bytes[i] == '\0' ? 1 : 0;
  const auto is_most = [&](size_t count) { return end >= 4 && count * 20 >= end * 9; };
  if (zeros[0] == 0 && is_most(zeros[1])) return TextEncoding::kUtf16Little;
  if (zeros[1] == 0 && is_most(zeros[0])) return TextEncoding::kUtf16Big;
  return TextEncoding::kOther;
}

// An unpaired surrogate becomes U+FFFD.
std::string from_utf16(std::string_view bytes, bool little) {
  std::string text;
  const auto unit = [&](size_t i) {
    const auto a = static_cast<unsigned char>(bytes[i]), b = static_cast<unsigned char>(bytes[i + 1]);
    return static_cast<char32_t>(little ? a | b << 8 : a << 8 | b);
  };
  for (size_t i = 0; i + 1 < bytes.size(); i += 2) {
    char32_t code = unit(i);
    if (code >= 0xD800 && code < 0xDC00 && i + 3 < bytes.size() && unit(i + 2) >= 0xDC00 && unit(i + 2) < 0xE000) {
      code = 0x10000 + ((code - 0xD800) << 10) + (unit(i + 2) - 0xDC00);
      i += 2;
    } else if (code >= 0xD800 && code < 0xE000) {
      code = kReplacementChar;
    }
    append_utf8(text, code);
  }
  return text;
}

size_t first_invalid(std::string_view text) {
  size_t position = 0;
  while (position < text.size()) {
    const Utf8Step step = utf8_step(text, position);
    if (!step.valid) break;
    position += step.size;
  }
  return position;
}

}  // namespace

std::string decode_text(std::string bytes, const std::string& name) {
  if (is_gzip(bytes)) bytes = unpack_gzip(bytes, name);
  if (is_zstd(bytes)) bytes = unpack_zstd(bytes, name);
  for (const Format& format : kFormats) {
    if (bytes.starts_with(format.magic)) refuse(name, format.what, format.advice);
  }
  const TextEncoding encoding = find_encoding(bytes);
  std::string text =
      encoding == TextEncoding::kOther ? std::move(bytes) : from_utf16(bytes, encoding == TextEncoding::kUtf16Little);
  constexpr std::string_view kMark = "\xEF\xBB\xBF";
  if (text.starts_with(kMark)) text.erase(0, kMark.size());
  if (const size_t zero = text.find('\0'); zero != std::string::npos) {
    refuse(name, "binary data (a zero byte at " + std::to_string(zero) + ")", kPlainAdvice);
  }
  if (const size_t place = first_invalid(text); place < text.size()) {
    refuse(name, "bytes that are not UTF-8 (at byte " + std::to_string(place) + ")",
           "if it is text in another encoding, convert it, for example with: iconv -f WINDOWS-1252 -t UTF-8 'FILE'");
  }
  return text;
}

}  // namespace gptq::corpus
