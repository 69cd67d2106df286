// Reading calibration text and drawing windows from it.
#include "quantize/calibration.h"

#include <algorithm>
#include <numeric>
#include <random>
#include <span>
#include <utility>

#include <gptq/corpus.h>
#include <gptq/error.h>

#include "core/file.h"
#include "core/hash.h"
#include "core/log.h"
#include "core/unpack.h"

extern "C" {
extern const char gptq_default_calibration_begin[];
extern const char gptq_default_calibration_end[];
}

namespace gptq::quantization {

namespace {

constexpr int64_t kFewTokens = 1 << 15;  // below this the Hessians of real models are poor
constexpr int64_t kHeldWindows = 4;      // for measuring, at most, of full length
constexpr int64_t kHeldShare = 32;       // one window in so many, when all of them were drawn
constexpr int64_t kFewHeldTokens = 128;  // fewer measure nothing

// Tokens [begin, begin + length) of a Cut.
struct Window {
  size_t begin = 0;
  int64_t length = 0;
};

struct Cut {
  std::vector<TokenId> tokens;
  std::vector<Window> windows;  // in the order of the tokens
};

// Short rows and rows of token ids are separate windows, after all other texts, which are joined. `max_length`: of a window
// of token ids, which are otherwise used as they are.
Cut cut(const Corpus& corpus, int64_t seqlen, int64_t max_length) {
  Cut result;
  std::vector<TokenId>& tokens = result.tokens;
  const auto stands_alone = [&](const Corpus::Document& document) {
    return document.ids || (document.row && static_cast<int64_t>(document.tokens) < seqlen);
  };
  const auto copy = [&](bool alone, const auto& copied) {
    auto begin = corpus.tokens.begin();
    for (const Corpus::Document& document : corpus.documents) {
      const auto end = begin + static_cast<std::ptrdiff_t>(document.tokens);
      if (stands_alone(document) == alone && begin < end) {
        tokens.insert(tokens.end(), begin, end);
        copied(static_cast<int64_t>(document.tokens));
      }
      begin = end;
    }
  };
  copy(false, [](int64_t) {});
  const auto joined = static_cast<int64_t>(tokens.size());
  for (int64_t at = 0; at + seqlen <= joined; at += seqlen) {
    result.windows.push_back({static_cast<size_t>(at), seqlen});
  }
  if (joined > 0 && joined < seqlen) result.windows.push_back({0, joined});
  copy(true, [&](int64_t size) {
    size_t begin = tokens.size() - static_cast<size_t>(size);
    for (; begin < tokens.size(); begin += static_cast<size_t>(result.windows.back().length)) {
      result.windows.push_back({begin, std::min(static_cast<int64_t>(tokens.size() - begin), max_length)});
    }
  });
  return result;
}

int64_t count_tokens(std::span<const Window> windows) {
  return std::accumulate(windows.begin(), windows.end(), int64_t{0},
                         [](int64_t sum, const Window& window) { return sum + window.length; });
}

// How many of the windows, from the first, have at most this many tokens together.
size_t count_within(std::span<const Window> windows, int64_t tokens) {
  size_t count = 0;
  while (count < windows.size() && windows[count].length <= tokens) tokens -= windows[count++].length;
  return count;
}

// Longest first, and otherwise in the order of the tokens.
Windows collect(std::span<const Window> windows, const std::vector<TokenId>& tokens) {
  std::vector<Window> sorted(windows.begin(), windows.end());
  std::sort(sorted.begin(), sorted.end(), [](const Window& a, const Window& b) {
    return a.length != b.length ? a.length > b.length : a.begin < b.begin;
  });
  Windows collected;
  for (const Window& window : sorted) {
    const auto first = tokens.begin() + static_cast<std::ptrdiff_t>(window.begin);
    collected.tokens.insert(collected.tokens.end(), first, first + window.length);
    collected.lengths.push_back(window.length);
  }
  return collected;
}

bool uses_built_in(const QuantizeOptions& options) {
  return options.calibration.empty() && options.calibration_rows.empty();
}

Corpus built_in_text(const Tokenizer& tokenizer) {
  const std::string_view packed(gptq_default_calibration_begin,
                                static_cast<size_t>(gptq_default_calibration_end - gptq_default_calibration_begin));
  Corpus corpus;
  corpus.tokens = tokenizer.encode(unpack_gzip(packed, "the built-in calibration text"));
  corpus.documents.push_back({corpus.tokens.size()});
  return corpus;
}

Corpus join_ids(const std::vector<CorpusRow>& rows) {
  Corpus corpus;
  for (const CorpusRow& row : rows) {
    corpus.tokens.insert(corpus.tokens.end(), row.tokens.begin(), row.tokens.end());
    corpus.documents.push_back({row.tokens.size(), true, true});
  }
  return corpus;
}

Corpus read_text(const QuantizeOptions& options, const Tokenizer* tokenizer) {
  if (tokenizer == nullptr) return join_ids(options.calibration_rows);
  if (uses_built_in(options)) return built_in_text(*tokenizer);
  Corpus corpus = read_corpus(options.calibration, options.model, *tokenizer);
  const Corpus rows = tokenize_rows(options.calibration_rows, options.model, *tokenizer);
  corpus.tokens.insert(corpus.tokens.end(), rows.tokens.begin(), rows.tokens.end());
  corpus.documents.insert(corpus.documents.end(), rows.documents.begin(), rows.documents.end());
  corpus.notes.insert(corpus.notes.end(), rows.notes.begin(), rows.notes.end());
  return corpus;
}

std::string source_name(const QuantizeOptions& options) {
  if (uses_built_in(options)) return "built-in";
  std::string name;
  for (fs::path path : options.calibration) {
    if (path.filename().empty()) path = path.parent_path();
    name += (name.empty() ? "" : ", ") + path.filename().string();
  }
  if (const size_t rows = options.calibration_rows.size(); rows > 0) {
    name += (name.empty() ? "" : ", ") + std::to_string(rows) + (rows == 1 ? " text" : " texts");
  }
  return name;
}

// Windows of the built-in text to measure errors on.
Windows built_in_windows(const Tokenizer& tokenizer, int64_t seqlen) {
  const auto [tokens, windows] = cut(built_in_text(tokenizer), seqlen, seqlen);
  const size_t count = std::min<size_t>(windows.size(), kHeldWindows);
  return collect(std::span(windows).first(count), tokens);
}

}  // namespace

bool only_token_ids(const QuantizeOptions& options) {
  return !uses_built_in(options) && options.calibration.empty() &&
         std::all_of(options.calibration_rows.begin(), options.calibration_rows.end(),
                     [](const CorpusRow& row) { return row.kind == CorpusRow::Kind::kTokens; });
}

Calibration load_calibration(const QuantizeOptions& options, const Tokenizer* tokenizer, int64_t context_length) {
  Calibration c;
  c.name = source_name(options);
  c.seqlen = options.seqlen;
  if (c.seqlen > context_length) {
    c.seqlen = context_length;
    c.notes.push_back("seqlen " + std::to_string(options.seqlen) + " shortened to the model's context of " +
                      std::to_string(context_length));
  }
  const Corpus corpus = read_text(options, tokenizer);
  c.notes.insert(c.notes.end(), corpus.notes.begin(), corpus.notes.end());
  auto [tokens, windows] = cut(corpus, c.seqlen, context_length);
  if (windows.empty()) {
    throw Error(ErrorKind::kUsage, "reading calibration text from " + c.name + ": found no text; give some");
  }
  // Fisher-Yates by hand: the standard leaves the order of std::shuffle to the library, and files must not
  // depend on it.
  std::mt19937_64 random(options.seed);
  for (size_t i = 0; i < windows.size(); ++i) {
    std::swap(windows[i], windows[i + random() % (windows.size() - i)]);
  }
  const std::span<const Window> all(windows);
  size_t drawn = std::max<size_t>(1, count_within(all, options.samples * c.seqlen));
  const bool rest = drawn < all.size();
  const size_t apart = rest ? 0 : std::min<size_t>(kHeldWindows, all.size() / kHeldShare);
  if (count_tokens(all.last(apart)) >= kFewHeldTokens) drawn -= apart;
  std::string held_note;
  const auto held = all.subspan(drawn).first(count_within(all.subspan(drawn), kHeldWindows * c.seqlen));
  if (count_tokens(held) >= kFewHeldTokens) {
    c.held = collect(held, tokens);
  } else if (!uses_built_in(options) && tokenizer != nullptr) {
    c.held = built_in_windows(*tokenizer, std::min(std::max(c.seqlen, kFewHeldTokens), context_length));
    held_note = "the calibration text is too short to hold some of it out: errors are measured on built-in text";
  }
  static_cast<Windows&>(c) = collect(all.first(drawn), tokens);

  const auto total = static_cast<int64_t>(c.tokens.size());
  const auto shorter =
      std::count_if(c.lengths.begin(), c.lengths.end(), [&](int64_t length) { return length < c.seqlen; });
  if (windows.size() == 1 && shorter == 1) {
    c.notes.push_back("the calibration text has " + std::to_string(total) + " tokens: one window of that length, not " +
                      std::to_string(c.seqlen));
  } else if (shorter > 0) {
    c.notes.push_back("calibration has " + std::to_string(c.lengths.size()) + " windows, of which " +
                      std::to_string(shorter) + " are texts shorter than " + std::to_string(c.seqlen) + " tokens; " +
                      std::to_string(total) + " tokens in all");
  } else if (!rest && static_cast<int64_t>(c.lengths.size()) < options.samples && c.lengths.size() > 1) {
    c.notes.push_back("calibration has " + std::to_string(c.lengths.size()) + " windows of " +
                      std::to_string(c.seqlen) + " tokens, fewer than the " + std::to_string(options.samples) +
                      " asked for; all are used");
  }
  if (!held_note.empty()) c.notes.push_back(held_note);
  if (total < kFewTokens) {
    warn("only " + std::to_string(total) + " calibration tokens: fewer than " + std::to_string(kFewTokens) +
         " usually cost quality; give more text or raise --samples");
  }
  c.seqlen = c.lengths.front();
  static_assert(sizeof(TokenId) == 4);
  c.sha256 = sha256_hex(std::as_bytes(std::span(c.tokens)));
  return c;
}

}  // namespace gptq::quantization
