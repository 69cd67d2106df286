// Walks the double array and checks every step, because the bytes come from a file.
#include "tokenizer/components/charsmap.h"

#include <gptq/error.h>

#include "unicode/characters.h"

namespace gptq::tokenizer {

namespace {

bool has_leaf(uint32_t unit) { return (unit >> 8 & 1) != 0; }
uint32_t value_of(uint32_t unit) { return unit & 0x7FFFFFFF; }
uint32_t label_of(uint32_t unit) { return unit & 0x800000FF; }
uint32_t offset_of(uint32_t unit) { return unit >> 10 << ((unit & 0x200) >> 6); }

}  // namespace

Charsmap::Charsmap(std::string_view bytes, const std::string& what) {
  const auto number = [&](size_t at) {
    uint32_t value = 0;
    for (size_t i = 0; i < 4; ++i) value |= static_cast<uint32_t>(static_cast<unsigned char>(bytes[at + i])) << (8 * i);
    return value;
  };
  const size_t trie_size = bytes.size() < 4 ? 0 : number(0) / 4 * 4;
  if (trie_size == 0 || trie_size > bytes.size() - 4) {
    throw Error(ErrorKind::kVerification, "reading " + what + ": the precompiled_charsmap has " +
                                              std::to_string(bytes.size()) + " bytes, expected a trie's size in four" +
                                              " bytes, the trie, and the replacements");
  }
  for (size_t at = 4; at < 4 + trie_size; at += 4) units_.push_back(number(at));
  replacements_ = bytes.substr(4 + trie_size);
  if (!is_valid_utf8(replacements_)) {
    throw Error(ErrorKind::kVerification,
                "reading " + what + ": replacements of the precompiled_charsmap are not UTF-8");
  }
}

std::optional<std::string_view> Charsmap::find(std::string_view text) const {
  uint32_t node = offset_of(units_[0]);
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    node ^= byte;
    if (byte == 0 || node >= units_.size() || label_of(units_[node]) != byte) return std::nullopt;
    const uint32_t unit = units_[node];
    node ^= offset_of(unit);
    if (!has_leaf(unit)) continue;
    if (node >= units_.size()) return std::nullopt;
    const size_t begin = value_of(units_[node]);
    if (begin > replacements_.size()) return std::nullopt;
    if (begin < replacements_.size() && (replacements_[begin] & 0xC0) == 0x80)
      return std::nullopt;  // inside a character
    const std::string_view rest = std::string_view(replacements_).substr(begin);
    return rest.substr(0, rest.find('\0'));
  }
  return std::nullopt;
}

}  // namespace gptq::tokenizer
