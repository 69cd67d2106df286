// Encoding and decoding of many texts at once, with truncation, pairs of texts, and what the tokens were made from.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gptq/tokenizer.h>

namespace gptq {

struct TextPair {
  std::string_view text;
  std::optional<std::string_view> pair = {};  // a second text in the same sequence, for models that compare two
};

enum class Truncation {
  kNone,
  kLongestFirst,  // of a pair, the longer text; both when neither fits
  kOnlyFirst,
  kOnlySecond,
};

struct EncodeOptions {
  bool add_special_tokens = true;     // apply the post-processor
  bool plain_control_tokens = false;  // encode control tokens in the texts as ordinary text
  bool places = false;                // also `offsets`, `words` and `spellings`; several times slower
  Truncation truncation = Truncation::kNone;
  size_t max_length = 0;       // tokens in a window, those of the post-processor included
  size_t stride = 0;           // tokens that consecutive windows share
  bool truncate_left = false;  // the first window has the end of the text
  bool all_windows = false;    // return the windows that truncation cuts off, too
  int threads = 0;             // 0: all hardware threads; short inputs use one
};

// A window of one input: the whole of it, unless it was truncated.
struct EncodedText {
  // Consecutive tokens of the same origin.
  struct Run {
    int sequence;  // 0: of the text, 1: of its pair, -1: added by the post-processor
    int type_id;   // as the post-processor defines it; mostly 0, and 1 for the second text
    size_t size;   // in tokens
  };
  size_t input = 0;          // index of the input
  std::vector<TokenId> ids;  // [T]
  std::vector<Run> runs;     // together T tokens
  // With EncodeOptions::places only:
  std::vector<std::pair<size_t, size_t>> offsets;  // [T], as Encoding::offsets
  std::vector<int> words;                          // [T], index of the word in its text; -1 for added tokens
  std::map<size_t, std::string> spellings;  // of the tokens that are spelled differently from the vocabulary, by index
};

// Encodes all inputs. The windows of an input follow each other; there is one, or with `all_windows` at least one.
// Ids are those of Tokenizer::encode. Throws what that function throws, and Error(kUsage) when max_length leaves no room
// for the tokens of the post-processor, when `stride` is not less than the room left, when the text to truncate is too
// short, and for a pair when the tokenizer's post-processor does not define pairs.
std::vector<EncodedText> encode_texts(const Tokenizer& tokenizer, const std::vector<TextPair>& inputs,
                                      const EncodeOptions& options = {});

// Decodes every list of ids as Tokenizer::decode does.
std::vector<std::string> decode_texts(const Tokenizer& tokenizer, const std::vector<std::vector<TokenId>>& lists,
                                      bool skip_special_tokens = true, bool clean_up_spaces = false, int threads = 0);

// The number of tokens that the post-processor adds to a text, or to a pair of texts.
size_t special_tokens_added(const Tokenizer& tokenizer, bool pair = false);

}  // namespace gptq
