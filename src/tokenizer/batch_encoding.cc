// Encodes and decodes lists of texts on several threads; truncates as the `tokenizers` library does.
#include <gptq/batch_encoding.h>

#include <algorithm>
#include <array>
#include <functional>

#include <gptq/error.h>

#include "core/threads.h"
#include "tokenizer/pipeline.h"
#include "unicode/marked_text.h"

namespace gptq::tokenizer {

namespace {

using Window = std::pair<size_t, size_t>;  // tokens [begin, end) of one text

// One text before truncation and the post-processor.
struct TokenizedText {
  std::vector<TokenId> ids;
  std::vector<TokenOffset> places;
  std::vector<int> words;
  std::map<size_t, std::string> spellings;
};

[[noreturn]] void refuse(const std::string& why) {
  throw Error(ErrorKind::kUsage, "truncating a tokenized text: " + why);
}

TokenizedText tokenize(const Pipeline& pipeline, std::string_view text, const EncodeOptions& options) {
  unicode::MarkedText input;
  input.text = to_valid_utf8(text);
  if (options.plain_control_tokens) input.marks.assign(input.text.size(), '\1');
  TokenizedText result;
  if (!options.places) {
    result.ids = pipeline.encode(std::move(input), options.plain_control_tokens);
    return result;
  }
  pipeline.encode_with_offsets(std::move(input), options.plain_control_tokens, [&](const PlacedToken& token) {
    const std::string* spelling = pipeline.token(token.id);
    if (spelling == nullptr || *spelling != token.spelling) result.spellings[result.ids.size()] = token.spelling;
    result.ids.push_back(token.id);
    result.places.push_back(token.place);
    result.words.push_back(static_cast<int>(token.word));
  });
  return result;
}

// The windows of a text of `size` tokens: the one that is kept, then those that are cut off.
std::vector<Window> windows(size_t size, size_t room, const EncodeOptions& options) {
  if (room >= size) return {{0, size}};
  if (room == 0) return {{0, 0}, {0, size}};
  if (options.stride >= room) {
    refuse("the stride is " + std::to_string(options.stride) + ", expected less than the " + std::to_string(room) +
           " tokens of a window; increase max_length");
  }
  const size_t step = room - options.stride;
  std::vector<Window> all;
  for (size_t done = 0; done < size; done += step) {
    if (options.truncate_left) {
      const size_t end = size - done;
      all.emplace_back(end > room ? end - room : 0, end);
    } else {
      all.emplace_back(done, std::min(done + room, size));
    }
    if (options.truncate_left ? all.back().first == 0 : all.back().second == size) break;
  }
  return all;
}

// The number of tokens of each text that fit in `room`.
std::array<size_t, 2> rooms(std::array<size_t, 2> sizes, bool pair, size_t room, Truncation truncation) {
  if (room == 0) return {0, 0};
  if (sizes[0] + sizes[1] <= room) return sizes;
  const size_t excess = sizes[0] + sizes[1] - room;
  if (truncation != Truncation::kLongestFirst) {
    const size_t cut = truncation == Truncation::kOnlyFirst ? 0 : 1;
    if (cut == 1 && !pair) refuse("the second text is to be truncated, but there is only one");
    if (sizes[cut] <= excess) {
      refuse("the text to truncate has " + std::to_string(sizes[cut]) + " tokens, and " + std::to_string(excess) +
             " have to be removed; truncate \"longest_first\" or increase max_length");
    }
    sizes[cut] -= excess;
    return sizes;
  }
  if (!pair) return {room, 0};
  const size_t shorter = sizes[0] > sizes[1] ? 1 : 0, longer = 1 - shorter;
  size_t few = sizes[shorter];
  size_t many = few > room ? few : std::max(few, room - few);
  if (few + many > room) {
    few = room / 2;
    many = few + room % 2;
  }
  sizes[shorter] = few;
  sizes[longer] = many;
  return sizes;
}

// Appends the tokens of a window, or the control tokens of the part.
void append(EncodedText& result, const PostProcessor::Part& part, const TokenizedText& text, Window window,
            bool places) {
  const size_t before = result.ids.size();
  if (!part.text()) {
    result.ids.insert(result.ids.end(), part.ids.begin(), part.ids.end());
    if (places) {
      result.offsets.resize(result.ids.size(), {0, 0});
      result.words.resize(result.ids.size(), -1);
    }
  } else {
    const auto [begin, end] = window;
    result.ids.insert(result.ids.end(), text.ids.begin() + static_cast<std::ptrdiff_t>(begin),
                      text.ids.begin() + static_cast<std::ptrdiff_t>(end));
    for (size_t i = begin; places && i < end; ++i) {
      const TokenOffset place = PostProcessor::trimmed(text.places[i], i - begin, part.trims);
      result.offsets.emplace_back(place.begin, place.end);
      result.words.push_back(text.words[i]);
    }
    for (auto at = text.spellings.lower_bound(begin); at != text.spellings.end() && at->first < end; ++at) {
      result.spellings[before + at->first - begin] = at->second;
    }
  }
  if (result.ids.size() > before) result.runs.push_back({part.sequence, part.type_id, result.ids.size() - before});
}

EncodedText assemble(const PostProcessor::Parts& parts, const std::array<TokenizedText, 2>& texts,
                     const std::array<Window, 2>& chosen, bool places) {
  EncodedText result;
  for (const PostProcessor::Part& part : parts) {
    const auto at = static_cast<size_t>(std::max(part.sequence, 0));
    append(result, part, texts[at], chosen[at], places);
  }
  return result;
}

// The windows of both texts combined, in the order of the `tokenizers` library.
std::vector<std::array<Window, 2>> combined(const std::vector<Window>& first, const std::vector<Window>& second) {
  std::vector<std::array<Window, 2>> all{{first[0], second[0]}};
  for (size_t i = 1; i < first.size(); ++i) {
    for (const Window& other : second) all.push_back({first[i], other});
  }
  for (size_t j = 1; j < second.size(); ++j) all.push_back({first[0], second[j]});
  return all;
}

std::vector<EncodedText> encode_one(const Pipeline& pipeline, const TextPair& input, const EncodeOptions& options) {
  const bool pair = input.pair.has_value();
  const PostProcessor& post = pipeline.post_processor();
  const PostProcessor::Parts& parts = post.parts(options.add_special_tokens, pair);
  if (pair && parts.empty()) {
    throw Error(ErrorKind::kUsage,
                "encoding a pair of texts: the post_processor of this tokenizer defines single texts only");
  }
  std::array<TokenizedText, 2> texts;
  texts[0] = tokenize(pipeline, input.text, options);
  if (pair) texts[1] = tokenize(pipeline, *input.pair, options);

  const std::array<size_t, 2> sizes{texts[0].ids.size(), texts[1].ids.size()};
  std::array<size_t, 2> room = sizes;
  if (options.truncation != Truncation::kNone) {
    const size_t added = post.added(options.add_special_tokens, pair);
    if (options.max_length < added) {
      refuse("max_length is " + std::to_string(options.max_length) + ", and the special tokens alone are " +
             std::to_string(added));
    }
    room = rooms(sizes, pair, options.max_length - added, options.truncation);
  }
  std::vector<EncodedText> results;
  for (const auto& chosen : combined(windows(sizes[0], room[0], options), windows(sizes[1], room[1], options))) {
    results.push_back(assemble(parts, texts, chosen, options.places));
    if (!options.all_windows) break;
  }
  return results;
}

// Calls body(i) for all i in [0, count), on several threads when the work is worth it.
void for_each_input(size_t count, size_t bytes, int threads, const std::function<void(size_t)>& body) {
  constexpr size_t kBytesPerThread = size_t{1} << 16, kBlocks = 16;
  const auto useful = static_cast<int>(std::min({count, bytes / kBytesPerThread, size_t{64}}));
  int used = useful;
  // Counting the processors takes longer than encoding a short text.
  if (useful > 1)
    used = std::min(useful, threads > 0 ? threads : static_cast<int>(std::thread::hardware_concurrency()));
  if (used <= 1) {
    for (size_t i = 0; i < count; ++i) body(i);
    return;
  }
  ThreadPool pool(used);
  const size_t blocks = std::min(count, kBlocks * static_cast<size_t>(used));
  pool.parallel_for(static_cast<int64_t>(blocks), [&](int64_t block) {
    const auto at = static_cast<size_t>(block);
    for (size_t i = count * at / blocks; i < count * (at + 1) / blocks; ++i) body(i);
  });
}

}  // namespace

}  // namespace gptq::tokenizer

namespace gptq {

std::vector<EncodedText> encode_texts(const Tokenizer& tokenizer, const std::vector<TextPair>& inputs,
                                      const EncodeOptions& options) {
  size_t bytes = 0;
  for (const TextPair& input : inputs) bytes += input.text.size() + input.pair.value_or("").size();
  std::vector<std::vector<EncodedText>> windows(inputs.size());
  tokenizer::for_each_input(inputs.size(), bytes, options.threads, [&](size_t i) {
    windows[i] = tokenizer::encode_one(tokenizer.impl(), inputs[i], options);
  });
  std::vector<EncodedText> all;
  all.reserve(inputs.size());
  for (size_t i = 0; i < windows.size(); ++i) {
    for (EncodedText& window : windows[i]) {
      window.input = i;
      all.push_back(std::move(window));
    }
  }
  return all;
}

std::vector<std::string> decode_texts(const Tokenizer& tokenizer, const std::vector<std::vector<TokenId>>& lists,
                                      bool skip_special_tokens, bool clean_up_spaces, int threads) {
  size_t tokens = 0;
  for (const std::vector<TokenId>& ids : lists) tokens += ids.size();
  std::vector<std::string> texts(lists.size());
  tokenizer::for_each_input(lists.size(), tokens * sizeof(TokenId), threads, [&](size_t i) {
    texts[i] = tokenizer.decode(lists[i], skip_special_tokens, clean_up_spaces);
  });
  return texts;
}

size_t special_tokens_added(const Tokenizer& tokenizer, bool pair) {
  return tokenizer.impl().post_processor().added(true, pair);
}

}  // namespace gptq
