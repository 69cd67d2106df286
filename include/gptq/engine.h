// Running a model: an Engine owns the weights and one sequence's cache, and answers requests one at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gptq/chat.h>
#include <gptq/device.h>
#include <gptq/sampling.h>
#include <gptq/tokenizer.h>

namespace gptq {

enum class FinishReason { kStop, kLength, kCancelled };
std::string to_string(FinishReason reason);  // "stop", "length", "cancelled"

struct Request {
  std::vector<TokenId> tokens;  // the prompt, at least one token
  int max_new_tokens = 128;
  Sampling sampling;
  std::vector<std::string> stop;  // strings that end the answer; never part of it
  bool ignore_eos = false;
  bool keep_special_tokens = false;  // in the text, and with them the token that ends it
};

struct Result {
  std::string text;             // exactly what follows the prompt's text: " there" behind "Hello"
  std::vector<TokenId> tokens;  // without the token that ended the answer, unless keep_special_tokens
  FinishReason finish_reason = FinishReason::kStop;
  int prompt_tokens = 0;
  int cached_tokens = 0;  // of the prompt, found in the cache from the request before
  int new_tokens = 0;
  std::optional<uint64_t> seed;      // repeats the draws; absent at temperature 0
  double prompt_seconds = 0;         // until the first token
  double decode_seconds = 0;         // the rest
  double tokens_per_second() const;  // of decoding; 0 when fewer than two tokens were made
};

struct PerplexityResult {
  double perplexity = 0;
  int64_t tokens = 0;  // predicted tokens: windows · (window − 1)
  int64_t windows = 0;
  double seconds = 0;
};

// Called with each piece of text as it becomes certain; return false to cancel.
using TextSink = std::function<bool(const std::string& piece)>;
using StepSink = std::function<bool(int64_t done, int64_t total)>;

// Not safe for concurrent calls. Errors: Error(kNotFound) for a missing folder or file, Error(kVerification) for
// damaged files or an unsupported architecture (the message lists the supported ones), Error(kUsage) for a
// prompt longer than the model's context, Error(kOutOfMemory).
class Engine {
 public:
  static Engine open(const std::string& folder, const ComputeOptions& options = {});
  Engine(Engine&&) noexcept;
  Engine& operator=(Engine&&) noexcept;
  ~Engine();

  Result generate(const Request& request, const TextSink& on_text = {});

  // Fixed-window perplexity: the whole text is tokenized once with the tokenizer's own post-processing and cut
  // into windows that do not overlap (a short last one is dropped); the result is exp of the mean negative log
  // likelihood over all predicted tokens, window − 1 in each.
  PerplexityResult perplexity(const std::string& text, int window, const StepSink& on_step = {});
  PerplexityResult perplexity(const std::vector<TokenId>& tokens, int window, const StepSink& on_step = {});

  // Logits of every position of one sequence, fp32 [T, V].
  std::vector<float> logits(const std::vector<TokenId>& tokens);

  const Tokenizer& tokenizer() const;
  const ChatTemplate* chat_template() const;  // nullptr when the model has none
  Sampling default_sampling() const;          // from generation_config.json; greedy unless it says do_sample
  std::optional<int> default_max_new_tokens() const;
  int context_length() const;    // the most tokens a prompt and its answer may have together
  int vocab_size() const;        // V, the width of the logits
  int64_t weight_bytes() const;  // bytes read for one decoded token

 private:
  class Impl;
  explicit Engine(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace gptq
