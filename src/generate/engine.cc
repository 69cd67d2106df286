// Implements Engine: a model folder, ready to generate.
#include <gptq/engine.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <set>

#include <gptq/error.h>

#include "checkpoint/checkpoint.h"
#include "core/clock.h"
#include "core/json.h"
#include "generate/generation_config.h"
#include "generate/scheduler.h"
#include "generate/stop_tokens.h"
#include "model/config.h"
#include "model/model.h"

namespace gptq {

class Engine::Impl {
 public:
  Impl(const std::string& folder, const ComputeOptions& options)
      : checkpoint_(checkpoint::Checkpoint::open(folder)),
        backend_(backend::make_backend(options, model::stored_dtype(checkpoint_))),
        tokenizer_(Tokenizer::open(folder)),
        generation_(generate::read_generation_config(folder)),
        model_(checkpoint_, *backend_, options.threads),
        stop_tokens_(generate::stop_tokens(config_stop_tokens(), generation_.eos, tokenizer_)),
        scheduler_(model_, *backend_, tokenizer_, stop_tokens_, sampled_vocab_size()) {
    try {
      template_ = ChatTemplate::open(folder);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::kNotFound) throw;
    }
  }

  std::vector<Result> generate(std::span<const Request> requests, const generate::Scheduler::Sink& on_token,
                               const std::stop_token& stop) {
    for (const Request& request : requests) check_request(request);
    return scheduler_.run(requests, on_token, stop);
  }

  PerplexityResult perplexity(const std::vector<TokenId>& tokens, int window, const StepSink& on_step) {
    if (window < 2 || window > context_length()) {
      throw Error(ErrorKind::kUsage, "measuring perplexity: the window is " + std::to_string(window) +
                                         ", expected 2 to the model's context of " + std::to_string(context_length()));
    }
    const auto start = std::chrono::steady_clock::now();
    PerplexityResult result;
    result.windows = static_cast<int64_t>(tokens.size()) / window;
    if (result.windows == 0) {
      throw Error(ErrorKind::kUsage, "measuring perplexity: the text has " + std::to_string(tokens.size()) +
                                         " tokens, less than one window of " + std::to_string(window) +
                                         "; give more text or a smaller --window");
    }
    check_prompt(tokens);
    double total = 0;
    for (int64_t w = 0; w < result.windows; ++w) {
      const auto part = std::span(tokens).subspan(static_cast<size_t>(w * window), static_cast<size_t>(window));
      const backend::MatrixView logits = scheduler_.run_alone(part);
      for (const float loss : backend_->cross_entropy(logits.row_range(0, window - 1), part.subspan(1))) total += loss;
      check_loss(total, "measuring perplexity: the loss",
                 "in window " + std::to_string(w + 1) + " of " + std::to_string(result.windows));
      result.tokens += window - 1;
      if (on_step && !on_step(w + 1, result.windows)) {
        throw Error(ErrorKind::kInterrupted,
                    "measuring perplexity: stopped after " + std::to_string(w + 1) + " windows");
      }
    }
    result.perplexity = std::exp(total / static_cast<double>(result.tokens));
    check_loss(result.perplexity, "measuring perplexity: the loss", "over all windows");
    result.seconds = seconds_since(start);
    return result;
  }

  std::vector<float> logits(const std::vector<TokenId>& tokens) {
    check_prompt(tokens);
    check_length(tokens);
    return backend_->download(scheduler_.run_alone(tokens));
  }

  std::vector<TokenScore> score(const std::vector<TokenId>& tokens, size_t first) {
    check_prompt(tokens);
    if (tokens.size() > static_cast<size_t>(context_length())) check_length(tokens);
    if (first < 1 || first > tokens.size()) {
      throw Error(ErrorKind::kUsage, "scoring tokens: first is " + std::to_string(first) + ", expected 1 to " +
                                         std::to_string(tokens.size()) + ", the number of tokens");
    }
    if (first == tokens.size()) return {};
    const auto count = static_cast<int64_t>(tokens.size() - first);
    const backend::MatrixView logits = scheduler_.run_alone(tokens).row_range(static_cast<int64_t>(first) - 1, count);
    const std::vector<float> losses = backend_->cross_entropy(logits, std::span(tokens).subspan(first));
    const std::vector<float> values = backend_->download(logits);
    std::vector<TokenScore> scores;
    for (size_t i = 0; i < losses.size(); ++i) {
      check_loss(losses[i], "scoring tokens: the loss", "of token " + std::to_string(first + i));
      const auto row = values.begin() + static_cast<std::ptrdiff_t>(i) * vocab_size();
      const auto best = static_cast<TokenId>(std::max_element(row, row + vocab_size()) - row);
      scores.push_back({-losses[i], best});
    }
    return scores;
  }

  int context_length() const { return static_cast<int>(model_.architecture().context_length); }
  int vocab_size() const { return static_cast<int>(model_.architecture().vocab_size); }
  int64_t weight_bytes() const { return model_.weight_bytes(); }
  const Tokenizer& tokenizer() const { return tokenizer_; }
  const ChatTemplate* chat_template() const { return template_ ? &*template_ : nullptr; }
  const generate::GenerationConfig& generation() const { return generation_; }

 private:
  void check_prompt(const std::vector<TokenId>& tokens) const {
    if (tokens.empty())
      throw Error(ErrorKind::kUsage, "running the model: the prompt is empty; give at least one token of text");
    for (const TokenId id : tokens) {
      if (id < 0 || id >= vocab_size()) {
        throw Error(ErrorKind::kVerification,
                    "running the model: the prompt has token " + std::to_string(id) + " (\"" + tokenizer_.token(id) +
                        "\"), which is outside the model's vocabulary of " + std::to_string(vocab_size()) +
                        "; the tokenizer belongs to another model, or has tokens that the model was not trained with");
      }
    }
  }

  static void check_loss(double loss, const std::string& what, const std::string& where) {
    if (std::isfinite(loss)) return;
    throw Error(ErrorKind::kNumerical,
                what + " is " + std::to_string(loss) + " " + where +
                    ", expected a number; the model's weights are damaged, or a number in its config.json is wrong "
                    "(rms_norm_eps, rope_theta, rope_scaling)");
  }

  void check_length(const std::vector<TokenId>& tokens) const {
    if (static_cast<int64_t>(tokens.size()) < context_length()) return;
    throw Error(ErrorKind::kUsage, "running the model: the prompt has " + std::to_string(tokens.size()) +
                                       " tokens, the model's context is " + std::to_string(context_length()) +
                                       "; shorten the prompt or clear the conversation");
  }

  std::vector<int> config_stop_tokens() const {
    const JsonReader config(checkpoint_.config(), (checkpoint_.folder() / "config.json").string());
    return model::read_token_ids(config, "eos_token_id");
  }

  // Ids that may be sampled: others are padding of the model's table.
  int sampled_vocab_size() const { return std::min(tokenizer_.vocab_size(), vocab_size()); }

  void check_request(const Request& request) const {
    check_prompt(request.tokens);
    check_length(request.tokens);
    (void)generate::Sampler(request.sampling);  // throws for values out of range
    if (request.max_new_tokens >= 0) return;
    throw Error(ErrorKind::kUsage, "running the model: max_new_tokens is " + std::to_string(request.max_new_tokens) +
                                       ", expected 0 or more");
  }

  checkpoint::Checkpoint checkpoint_;
  std::unique_ptr<backend::Backend> backend_;
  Tokenizer tokenizer_;
  generate::GenerationConfig generation_;
  model::Model model_;
  std::set<TokenId> stop_tokens_;
  generate::Scheduler scheduler_;
  std::optional<ChatTemplate> template_;
};

double Result::tokens_per_second() const {
  return new_tokens < 2 || decode_seconds <= 0 ? 0.0 : (new_tokens - 1) / decode_seconds;
}

std::string to_string(FinishReason reason) {
  switch (reason) {
    case FinishReason::kStop: return "stop";
    case FinishReason::kLength: return "length";
    default: return "cancelled";
  }
}

Engine::Engine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Engine::Engine(Engine&&) noexcept = default;
Engine& Engine::operator=(Engine&&) noexcept = default;
Engine::~Engine() = default;

Engine Engine::open(const std::string& folder, const ComputeOptions& options) {
  return Engine(std::make_unique<Impl>(folder, options));
}

Result Engine::generate(const Request& request, const TextSink& on_text) {
  generate::Scheduler::Sink sink;
  if (on_text) {
    sink = [&](size_t, TokenId, const std::string& text) { return text.empty() || on_text(text); };
  }
  return std::move(impl_->generate({&request, 1}, sink, {})[0]);
}
std::vector<Result> Engine::generate(const std::vector<Request>& requests, const TokenSink& on_token,
                                     std::stop_token stop) {
  generate::Scheduler::Sink sink;
  if (on_token) {
    sink = [&](size_t index, TokenId token, const std::string& text) { return on_token({index, token, text}); };
  }
  return impl_->generate(requests, sink, stop);
}
PerplexityResult Engine::perplexity(const std::string& text, int window, const StepSink& on_step) {
  return impl_->perplexity(impl_->tokenizer().encode(text), window, on_step);
}
PerplexityResult Engine::perplexity(const std::vector<TokenId>& tokens, int window, const StepSink& on_step) {
  return impl_->perplexity(tokens, window, on_step);
}
std::vector<float> Engine::logits(const std::vector<TokenId>& tokens) { return impl_->logits(tokens); }
std::vector<TokenScore> Engine::score(const std::vector<TokenId>& tokens, size_t first) {
  return impl_->score(tokens, first);
}
const Tokenizer& Engine::tokenizer() const { return impl_->tokenizer(); }
const ChatTemplate* Engine::chat_template() const { return impl_->chat_template(); }
Sampling Engine::default_sampling() const { return impl_->generation().sampling; }
std::optional<int> Engine::default_max_new_tokens() const { return impl_->generation().max_new_tokens; }
int Engine::context_length() const { return impl_->context_length(); }
int Engine::vocab_size() const { return impl_->vocab_size(); }
int64_t Engine::weight_bytes() const { return impl_->weight_bytes(); }

}  // namespace gptq
