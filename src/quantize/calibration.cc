// Reading calibration text and drawing windows from it.
#include "quantize/calibration.h"

#include <algorithm>
#include <numeric>
#include <optional>
#include <random>

#include <gptq/chat.h>
#include <gptq/error.h>

#include "core/file.h"
#include "core/hash.h"
#include "core/json.h"
#include "core/log.h"

extern "C" {
extern const char gptq_default_calibration_begin[];
extern const char gptq_default_calibration_end[];
}

namespace gptq {

namespace {

constexpr int64_t kFewWindows = 64;  // below this the Hessians of real models are poor

bool is_json_lines(const fs::path& path) {
  const fs::path name = path.extension() == ".gz" ? path.stem() : path;
  return name.extension() == ".jsonl" || name.extension() == ".json";
}

// One JSON object's text: "text" as it is, which may have been rendered already, "messages" through the chat template.
class LineReader {
 public:
  LineReader(const Tokenizer& tokenizer, std::string model) : tokenizer_(tokenizer), model_(std::move(model)) {}

  std::vector<TokenId> read(const std::string& line, const std::string& where) {
    const Json json = parse_json(line, where);
    const JsonReader reader(json, where);
    if (reader.has("text")) return tokenizer_.encode_prompt(reader.string("text"));
    if (!reader.has("messages")) {
      throw Error(ErrorKind::kVerification, "reading " + where + ": found neither \"text\" nor \"messages\"");
    }
    if (!template_) template_ = ChatTemplate::open(model_);
    RenderOptions options;
    options.add_generation_prompt = false;
    const OrderedJson ordered = parse_ordered_json(line, where);
    return tokenizer_.encode(template_->render_json(ordered["messages"].dump(), options));
  }

 private:
  const Tokenizer& tokenizer_;
  std::string model_;
  std::optional<ChatTemplate> template_;
};

std::vector<TokenId> all_tokens(const QuantizeOptions& options, const Tokenizer& tokenizer) {
  if (options.calibration.empty()) {
    const std::string_view packed(gptq_default_calibration_begin,
                                  static_cast<size_t>(gptq_default_calibration_end - gptq_default_calibration_begin));
    return tokenizer.encode(unpack_gzip(packed, "the built-in calibration text"));
  }
  const std::string text = read_text(options.calibration);
  if (!is_json_lines(options.calibration)) return tokenizer.encode(text);
  LineReader reader(tokenizer, options.model);
  std::vector<TokenId> tokens;
  size_t number = 0;
  for (size_t begin = 0, end; begin < text.size(); begin = end + 1) {
    end = std::min(text.find('\n', begin), text.size());
    ++number;
    const std::string line = text.substr(begin, end - begin);
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    const auto document = reader.read(line, options.calibration + " line " + std::to_string(number));
    tokens.insert(tokens.end(), document.begin(), document.end());
  }
  return tokens;
}

}  // namespace

Calibration load_calibration(const QuantizeOptions& options, const Tokenizer& tokenizer, int64_t context_length) {
  Calibration c;
  c.name = options.calibration.empty() ? "built-in" : fs::path(options.calibration).filename().string();
  c.seqlen = options.seqlen;
  if (c.seqlen > context_length) {
    c.seqlen = context_length;
    c.notes.push_back("seqlen " + std::to_string(options.seqlen) + " shortened to the model's context of " +
                      std::to_string(context_length));
  }
  const std::vector<TokenId> tokens = all_tokens(options, tokenizer);
  const int64_t windows = static_cast<int64_t>(tokens.size()) / c.seqlen;
  if (windows == 0) {
    throw Error(ErrorKind::kUsage, "reading calibration text from " + c.name + ": found " +
                                       std::to_string(tokens.size()) + " tokens, less than one window of " +
                                       std::to_string(c.seqlen) + "; give more text or a smaller --seqlen");
  }
  c.samples = std::min<int64_t>(options.samples, windows);
  if (windows < options.samples) {
    c.notes.push_back("calibration has " + std::to_string(windows) + " windows of " + std::to_string(c.seqlen) +
                      " tokens, fewer than the " + std::to_string(options.samples) + " asked for; all are used");
  }
  if (c.samples < kFewWindows) {
    warn("only " + std::to_string(c.samples) + " calibration windows: fewer than " + std::to_string(kFewWindows) +
         " usually cost quality; give more text or raise --samples");
  }
  // Fisher-Yates by hand: the standard leaves the order of std::shuffle to the library, and files must not
  // depend on it.
  std::vector<int64_t> order(static_cast<size_t>(windows));
  std::iota(order.begin(), order.end(), 0);
  std::mt19937_64 random(options.seed);
  for (size_t i = 0; i < static_cast<size_t>(c.samples); ++i) {
    std::swap(order[i], order[i + random() % (order.size() - i)]);
  }
  order.resize(static_cast<size_t>(c.samples));
  std::sort(order.begin(), order.end());
  for (int64_t window : order) {
    const auto begin = tokens.begin() + window * c.seqlen;
    c.tokens.insert(c.tokens.end(), begin, begin + c.seqlen);
  }
  static_assert(sizeof(TokenId) == 4);
  c.sha256 = sha256_hex(std::as_bytes(std::span(c.tokens)));
  return c;
}

}  // namespace gptq
