// Any bytes as a text file: decoded, cut into rows, each row's fields read.
#include <cstddef>
#include <cstdint>
#include <string>

#include <gptq/error.h>

#include "core/check.h"
#include "core/json.h"
#include "core/utf8.h"
#include "corpus/rows.h"
#include "corpus/text_source.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace gptq;
  using namespace gptq::corpus;
  static constexpr const char* kNames[] = {"data", "data.jsonl", "data.csv"};
  try {
    const std::string text = decode_text(std::string(reinterpret_cast<const char*>(data), size), "data");
    CHECK(is_valid_utf8(text));
    read_rows(text, kNames[size % 3], [](Row& row) {
      CHECK(is_valid_utf8(row.text));
      CHECK(row.kind != Row::Kind::kTokens || !row.ids.empty());
      CHECK(row.kind != Row::Kind::kConversation || row.messages->is_array());
    });
  } catch (const Error&) {
  }
  return 0;
}
