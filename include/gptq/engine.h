// Inference: an Engine owns a model's weights and key-value cache, and answers requests, one or several together.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
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
  std::vector<std::string> stop;                    // strings that end the answer; they are not part of it
  bool ignore_eos = false;                          // continue after an end-of-sequence token
  std::optional<std::vector<TokenId>> stop_tokens;  // tokens that end the answer, instead of the model's
  bool keep_special_tokens = false;                 // include special tokens in the result, and with them the final one
};

struct Result {
  std::string text;             // exact continuation of the prompt's text: " there" after "Hello"
  std::vector<TokenId> tokens;  // without the end-of-sequence token, unless keep_special_tokens
  FinishReason finish_reason = FinishReason::kStop;
  int prompt_tokens = 0;
  int cached_tokens = 0;             // prompt tokens found in the cache, from earlier requests
  int new_tokens = 0;                // generated tokens, including the one that ended the answer
  std::optional<uint64_t> seed;      // reproduces the answer; absent at temperature 0
  double prompt_seconds = 0;         // until the first new token
  double decode_seconds = 0;         // from then on
  double tokens_per_second() const;  // of decoding; 0 for fewer than two new tokens
};

// How likely a model finds a token after those before it.
struct TokenScore {
  double log_prob = 0;      // natural logarithm of its probability
  TokenId most_likely = 0;  // the token with the largest logit there
};

struct PerplexityResult {
  double perplexity = 0;
  int64_t tokens = 0;  // predicted tokens: windows · (window − 1)
  int64_t windows = 0;
  double seconds = 0;
};

// Callbacks run on the calling thread. Return false to stop: generate() then returns FinishReason::kCancelled,
// perplexity() throws Error(kInterrupted).
//
// TextSink receives the text as it is generated, in pieces that later tokens cannot change.
using TextSink = std::function<bool(const std::string& piece)>;
// TokenSink receives every generated token of several requests, the one that ends an answer only where
// keep_special_tokens includes it; false cancels the request that the token belongs to.
struct TokenEvent {
  size_t request = 0;       // index
  TokenId token = 0;        // -1: no token, but the rest of the text at the end of an answer
  const std::string& text;  // what later tokens cannot change any more; often ""
};
using TokenSink = std::function<bool(const TokenEvent& event)>;
using StepSink = std::function<bool(int64_t done, int64_t total)>;

// A loaded model. One object must not be used by two threads at the same time; several objects are independent.
//
// All functions throw Error(kOutOfMemory) when host or device memory is exhausted. Functions that run the model throw
// Error(kUsage) for an empty prompt, one that does not fit the model's context, and parameters out of range,
// Error(kVerification) for a token id outside the model's vocabulary, and Error(kNumerical) for logits that are NaN or
// infinite where finite ones are required.
class Engine {
 public:
  // Loads a model folder. Throws Error(kNotFound) for a missing folder or file, Error(kVerification) for damaged files
  // and unsupported architectures (the message lists the supported ones), and the errors of Device::parse.
  static Engine open(const std::string& folder, const ComputeOptions& options = {});
  Engine(Engine&&) noexcept;
  Engine& operator=(Engine&&) noexcept;
  ~Engine();

  // Generates until an end-of-sequence token, a stop string, or the limit. Keys and values
  // of a beginning that the prompt shares with earlier requests are reused while they are cached.
  Result generate(const Request& request, const TextSink& on_text = {});

  // The same for several requests, decoded together; results in their order. As many run at once as the memory has
  // room for, at most 64; the others follow as soon as one ends. On a CPU each answer is bitwise that of the request
  // alone. A stop request ends all of them within one token, with FinishReason::kCancelled.
  std::vector<Result> generate(const std::vector<Request>& requests, const TokenSink& on_token = {},
                               std::stop_token stop = {});

  // Perplexity over fixed windows: exp of the mean negative log-likelihood of the predicted tokens. The text is
  // tokenized as a whole, with special tokens, and cut into windows of `window` tokens that do not overlap; an
  // incomplete last one is dropped. In each window all tokens but the first are predicted.
  PerplexityResult perplexity(const std::string& text, int window, const StepSink& on_step = {});
  PerplexityResult perplexity(const std::vector<TokenId>& tokens, int window, const StepSink& on_step = {});

  // Logits of all positions of one sequence, fp32 [T, V], row-major.
  std::vector<float> logits(const std::vector<TokenId>& tokens);

  // Scores of the tokens from index `first` (1 or more) on, each after those before it   [T - first]
  std::vector<TokenScore> score(const std::vector<TokenId>& tokens, size_t first = 1);

  const Tokenizer& tokenizer() const;
  const ChatTemplate* chat_template() const;          // nullptr when the model has none
  Sampling default_sampling() const;                  // from generation_config.json; greedy unless do_sample is true
  std::optional<int> default_max_new_tokens() const;  // from generation_config.json
  int context_length() const;                         // maximum number of tokens of a prompt and its answer together
  int vocab_size() const;                             // V, the width of the logits
  int64_t weight_bytes() const;                       // bytes read for one decoded token

 private:
  class Impl;
  explicit Engine(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace gptq
