// One small class per decoder type, and the table that builds them from JSON.
#include "tokenizer/components/token_decoder.h"

#include <algorithm>
#include <map>
#include <utility>

#include "core/ascii.h"
#include "core/json.h"
#include "tokenizer/components/byte_level.h"
#include "tokenizer/components/pipeline_component.h"
#include "tokenizer/components/text_pattern.h"
#include "unicode/characters.h"

namespace gptq::tokenizer {

namespace {

using Made = std::unique_ptr<TokenDecoder>;

// The empty pattern matches between any two characters and at both ends.
std::string replace_all(std::string_view text, std::string_view from, std::string_view to, TextBudget& budget) {
  std::string out;
  if (from.empty()) {
    for (size_t position = 0; position < text.size();) {
      const size_t begin = position;
      next_char(text, position);
      budget.rewrite(0, to.size());
      out += to;
      out += text.substr(begin, position - begin);
    }
    budget.rewrite(0, to.size());
    return out += to;
  }
  for (size_t position = 0;;) {
    const size_t found = text.find(from, position);
    out += text.substr(position, found == std::string_view::npos ? found : found - position);
    if (found == std::string_view::npos) return out;
    budget.rewrite(from.size(), to.size());
    out += to;
    position = found + from.size();
  }
}

// Removes WordPiece's spaces before punctuation and English contractions.
std::string cleaned(std::string token, TextBudget& budget) {
  static constexpr std::pair<const char*, const char*> kRules[] = {
      {" .", "."},   {" ?", "?"},           {" !", "!"},   {" ,", ","},     {" ' ", "'"},   {" n't", "n't"},
      {" 'm", "'m"}, {" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
  if (token.find(' ') == std::string::npos) return token;
  for (const auto& [from, to] : kRules) token = replace_all(token, from, to, budget);
  return token;
}

class DecoderSequence : public TokenDecoder {
 public:
  explicit DecoderSequence(std::vector<Made> parts) : parts_(std::move(parts)) {}
  void rewrite(std::vector<std::string>& tokens, TextBudget& budget) const override {
    for (const auto& part : parts_) part->apply(tokens, budget);
  }
  bool has_byte_runs() const override {
    for (const auto& part : parts_) {
      if (part->has_byte_runs()) return true;
    }
    return false;
  }

 private:
  std::vector<Made> parts_;
};

class ReplaceDecoder : public TokenDecoder {
 public:
  ReplaceDecoder(TextPattern pattern, std::string content)
      : pattern_(std::move(pattern)), content_(std::move(content)) {}
  void rewrite(std::vector<std::string>& tokens, TextBudget& budget) const override {
    for (std::string& token : tokens) {
      std::string out;
      pattern_.cut(token, [&](const Segment& stretch) {
        if (!stretch.match) {
          out.append(token, stretch.begin, stretch.end - stretch.begin);
          return;
        }
        budget.rewrite(stretch.end - stretch.begin, content_.size());
        out += content_;
      });
      token = std::move(out);
    }
  }

 private:
  TextPattern pattern_;
  std::string content_;
};

// A run of byte tokens that is not valid UTF-8 as a whole becomes one U+FFFD for each of its bytes.
class ByteFallbackDecoder : public TokenDecoder {
 public:
  void rewrite(std::vector<std::string>& tokens, TextBudget&) const override {
    std::vector<std::string> result;
    std::string run;
    const auto flush = [&] {
      if (run.empty()) return;
      if (is_valid_utf8(run))
        result.push_back(run);
      else
        result.insert(result.end(), run.size(), std::string(kReplacementUtf8));
      run.clear();
    };
    for (std::string& token : tokens) {
      const int byte = byte_of_token(token);
      if (byte >= 0) {
        run.push_back(static_cast<char>(byte));
        continue;
      }
      flush();
      result.push_back(std::move(token));
    }
    flush();
    tokens = std::move(result);
  }
  bool has_byte_runs() const override { return true; }
};

class FuseDecoder : public TokenDecoder {
 public:
  void rewrite(std::vector<std::string>& tokens, TextBudget&) const override {
    std::string all;
    for (const std::string& token : tokens) all += token;
    tokens = {std::move(all)};
  }
};

// Removes up to `start` (and `stop`) occurrences of one character at the ends of every token.
class StripDecoder : public TokenDecoder {
 public:
  StripDecoder(std::string content, int64_t start, int64_t stop)
      : content_(std::move(content)), start_(start), stop_(stop) {}
  void rewrite(std::vector<std::string>& tokens, TextBudget&) const override {
    for (std::string& token : tokens) {
      size_t begin = 0, end = token.size();
      for (int64_t i = 0; i < start_ && token.compare(begin, content_.size(), content_) == 0; ++i) {
        begin += content_.size();
      }
      for (int64_t i = 0; i < stop_ && end - begin >= content_.size() && ends_at(token, end); ++i) {
        end -= content_.size();
      }
      token = token.substr(begin, end - begin);
    }
  }

 private:
  bool ends_at(const std::string& token, size_t end) const {
    return token.compare(end - content_.size(), content_.size(), content_) == 0;
  }
  std::string content_;
  int64_t start_;
  int64_t stop_;
};

class MetaspaceDecoder : public TokenDecoder {
 public:
  MetaspaceDecoder(std::string replacement, bool drop_first)
      : replacement_(std::move(replacement)), drop_first_(drop_first) {}
  void rewrite(std::vector<std::string>& tokens, TextBudget& budget) const override {
    for (size_t i = 0; i < tokens.size(); ++i) {
      tokens[i] = replace_all(tokens[i], replacement_, i == 0 && drop_first_ ? "" : " ", budget);
    }
  }

 private:
  std::string replacement_;
  bool drop_first_;
};

class ByteLevelDecoder : public TokenDecoder {
 public:
  void rewrite(std::vector<std::string>& tokens, TextBudget& budget) const override {
    std::string bytes;
    for (const std::string& token : tokens) bytes += bytes_of_token(token);
    tokens = {to_valid_utf8(bytes)};
    budget.rewrite(bytes.size(), tokens[0].size());
  }
};

class BpeDecoder : public TokenDecoder {
 public:
  explicit BpeDecoder(std::string suffix) : suffix_(std::move(suffix)) {}
  void rewrite(std::vector<std::string>& tokens, TextBudget& budget) const override {
    for (size_t i = 0; i < tokens.size(); ++i) {
      tokens[i] = replace_all(tokens[i], suffix_, i + 1 == tokens.size() ? "" : " ", budget);
    }
  }

 private:
  std::string suffix_;
};

class WordPieceDecoder : public TokenDecoder {
 public:
  WordPieceDecoder(std::string prefix, bool cleanup) : prefix_(std::move(prefix)), cleanup_(cleanup) {}
  void rewrite(std::vector<std::string>& tokens, TextBudget& budget) const override {
    for (size_t i = 0; i < tokens.size(); ++i) {
      std::string& token = tokens[i];
      if (i > 0 && token.starts_with(prefix_)) {
        token.erase(0, prefix_.size());
      } else if (i > 0) {
        budget.rewrite(0, 1);
        token.insert(0, " ");
      }
      if (cleanup_) token = cleaned(std::move(token), budget);
    }
  }

 private:
  std::string prefix_;
  bool cleanup_;
};

// Repeated tokens are merged; the padding that separates true repetitions is removed.
class CtcDecoder : public TokenDecoder {
 public:
  CtcDecoder(std::string pad, std::string delimiter, bool cleanup)
      : pad_(std::move(pad)), delimiter_(std::move(delimiter)), cleanup_(cleanup) {}
  void rewrite(std::vector<std::string>& tokens, TextBudget& budget) const override {
    tokens.erase(std::unique(tokens.begin(), tokens.end()), tokens.end());
    for (std::string& token : tokens) {
      token = replace_all(token, pad_, "", budget);
      if (cleanup_) token = replace_all(cleaned(std::move(token), budget), delimiter_, " ", budget);
    }
    std::erase(tokens, "");
  }

 private:
  std::string pad_;
  std::string delimiter_;
  bool cleanup_;
};

class JoinWithSpaces : public TokenDecoder {
 public:
  void rewrite(std::vector<std::string>& tokens, TextBudget& budget) const override {
    for (size_t i = 1; i < tokens.size(); ++i) {
      budget.rewrite(0, 1);
      tokens[i].insert(0, " ");
    }
  }
};

Made decoder_from(const PipelineComponent& component);

Made make_decoder_sequence(const PipelineComponent& component) {
  std::vector<Made> parts;
  for (const PipelineComponent& part : component.parts("decoders")) parts.push_back(decoder_from(part));
  return std::make_unique<DecoderSequence>(std::move(parts));
}

std::string one_char(const PipelineComponent& component, const char* key) {
  const std::string value = component.reader().string(key);
  if (count_chars(value) != 1) component.reader().fail(key, "one character");
  return value;
}

Made decoder_from(const PipelineComponent& component) {
  using Maker = Made (*)(const PipelineComponent&);
  static const std::map<std::string, Maker> kMakers = {
      {"Sequence", make_decoder_sequence},
      {"Replace",
       [](const PipelineComponent& c) -> Made {
         return std::make_unique<ReplaceDecoder>(TextPattern::from_json(c.reader().at("pattern"), c.what()),
                                                 c.reader().string("content"));
       }},
      {"ByteFallback", [](const PipelineComponent&) -> Made { return std::make_unique<ByteFallbackDecoder>(); }},
      {"Fuse", [](const PipelineComponent&) -> Made { return std::make_unique<FuseDecoder>(); }},
      {"Strip",
       [](const PipelineComponent& c) -> Made {
         return std::make_unique<StripDecoder>(one_char(c, "content"), c.reader().integer("start", 0),
                                               c.reader().integer("stop", 0));
       }},
      {"Metaspace",
       [](const PipelineComponent& c) -> Made {
         const bool never =
             c.reader().string("prepend_scheme", "always") == "never" || !c.reader().boolean("add_prefix_space", true);
         return std::make_unique<MetaspaceDecoder>(one_char(c, "replacement"), !never);
       }},
      {"ByteLevel", [](const PipelineComponent&) -> Made { return std::make_unique<ByteLevelDecoder>(); }},
      {"BPEDecoder",
       [](const PipelineComponent& c) -> Made {
         return std::make_unique<BpeDecoder>(c.reader().string("suffix", "</w>"));
       }},
      {"CTC",
       [](const PipelineComponent& c) -> Made {
         return std::make_unique<CtcDecoder>(c.reader().string("pad_token", "<pad>"),
                                             c.reader().string("word_delimiter_token", "|"),
                                             c.reader().boolean("cleanup", true));
       }},
      {"WordPiece",
       [](const PipelineComponent& c) -> Made {
         return std::make_unique<WordPieceDecoder>(c.reader().string("prefix", "##"),
                                                   c.reader().boolean("cleanup", true));
       }},
  };
  static const std::vector<TypeByKeys> kUntyped = {{"BPEDecoder", {"suffix"}},
                                                   {"WordPiece", {"prefix", "cleanup"}},
                                                   {"CTC", {"pad_token", "word_delimiter_token", "cleanup"}},
                                                   {"Replace", {"pattern", "content"}},
                                                   {"Strip", {"content", "start", "stop"}}};
  Made made = component.pick(kMakers, kUntyped)(component);
  made->place = component.what();
  return made;
}

}  // namespace

int byte_of_token(const std::string& token) {
  if (token.size() != 6 || !token.starts_with("<0x") || token[5] != '>') return -1;
  int byte = 0;
  for (const char c : {token[3] == '+' ? '0' : token[3], token[4]}) {  // "<0x+A>" is read as a number too
    const int digit = hex_digit(c);
    if (digit < 0) return -1;
    byte = byte * 16 + digit;
  }
  return byte;
}

std::unique_ptr<TokenDecoder> make_token_decoder(const Json& json, const std::string& what) {
  if (json.is_null()) return std::make_unique<JoinWithSpaces>();
  return decoder_from(PipelineComponent(json, what));
}

}  // namespace gptq::tokenizer
