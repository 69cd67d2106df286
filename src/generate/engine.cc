// The second verb: a model folder, ready to answer.
#include <gptq/engine.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>

#include <gptq/error.h>

#include "backend/sampling/sample.h"
#include "checkpoint/checkpoint.h"
#include "core/clock.h"
#include "core/json.h"
#include "core/log.h"
#include "core/python_json.h"
#include "generate/kv_pool.h"
#include "generate/sampler.h"
#include "generate/stop.h"
#include "generate/stop_tokens.h"
#include "model/config.h"
#include "model/model.h"

namespace gptq::generate {

namespace {

constexpr int64_t kFirstCapacity = 256;  // positions in a new pool; it doubles when full

struct GenerationConfig {
  Sampling sampling;
  std::optional<int> max_new_tokens;
  std::vector<int> eos;
};

// generation_config.json, when there is one. Greedy unless it says do_sample, as in transformers.
GenerationConfig read_generation_config(const fs::path& folder) {
  GenerationConfig config;
  const fs::path path = folder / "generation_config.json";
  if (!fs::exists(path)) return config;
  const Json json = parse_python_json(read_small_file(path), path.string());
  const JsonReader reader(json, path.string());
  config.eos = model::read_token_ids(reader, "eos_token_id");
  if (reader.has("max_new_tokens")) {
    const int64_t tokens = reader.integer("max_new_tokens");
    if (tokens < 1) {
      warn(path.string() + ": max_new_tokens is " + std::to_string(tokens) + ", expected 1 or more; it is ignored");
    } else {  // numbers beyond any context mean "no limit"
      config.max_new_tokens = static_cast<int>(std::min<int64_t>(tokens, std::numeric_limits<int>::max()));
    }
  }
  config.sampling.repetition_penalty = static_cast<float>(reader.number("repetition_penalty", 1.0));
  if (reader.boolean("do_sample", false)) {
    config.sampling.temperature = static_cast<float>(reader.number("temperature", 1.0));
    config.sampling.top_k =
        static_cast<int>(std::clamp<int64_t>(reader.integer("top_k", 50), 0, std::numeric_limits<int>::max()));
    config.sampling.top_p = static_cast<float>(reader.number("top_p", 1.0));
    config.sampling.min_p = static_cast<float>(reader.number("min_p", 0.0));
  }
  return config;
}

}  // namespace

}  // namespace gptq::generate

namespace gptq {

class Engine::Impl {
 public:
  Impl(const std::string& folder, const ComputeOptions& options)
      : checkpoint_(checkpoint::Checkpoint::open(folder)),
        backend_(backend::make_backend(options, model::stored_dtype(checkpoint_))),
        tokenizer_(Tokenizer::open(folder)),
        generation_(generate::read_generation_config(folder)),
        model_(checkpoint_, *backend_, options.threads),
        pool_(model_, *backend_,
              model::KvCache::pages_for(std::min(generate::kFirstCapacity, model_.architecture().context_length))),
        sequence_(pool_) {
    try {
      template_ = ChatTemplate::open(folder);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::kNotFound) throw;
    }
    const JsonReader config(checkpoint_.config(), (checkpoint_.folder() / "config.json").string());
    eos_ = generate::stop_tokens(model::read_token_ids(config, "eos_token_id"), generation_.eos, tokenizer_);
  }

  Result generate(const Request& request, const TextSink& on_text) {
    try {
      return answer(request, on_text);
    } catch (...) {
      sequence_.discard();  // what is cached may be part of what failed
      in_flight_ = 0;
      throw;
    }
  }

  Result answer(const Request& request, const TextSink& on_text) {
    check_prompt(request.tokens);
    if (request.max_new_tokens < 0) {
      throw Error(ErrorKind::kUsage, "running the model: max_new_tokens is " + std::to_string(request.max_new_tokens) +
                                         ", expected 0 or more");
    }
    const auto start = std::chrono::steady_clock::now();
    Result result;
    result.prompt_tokens = static_cast<int>(request.tokens.size());
    result.cached_tokens = static_cast<int>(keep_common_prefix(request.tokens));
    generate::Sampler sampler(request.sampling);
    if (request.sampling.temperature > 0) result.seed = request.sampling.seed;
    StreamingDecoder decoder(tokenizer_, !request.keep_special_tokens);
    decoder.follow(request.tokens);
    generate::StopStrings stop(request.stop);
    std::vector<TokenId> seen = request.tokens;
    result.finish_reason = FinishReason::kLength;
    const int budget = std::min(request.max_new_tokens, context_length() - result.prompt_tokens);
    reserve(result.prompt_tokens + budget);
    std::vector<float> logits = append(std::span(request.tokens).subspan(static_cast<size_t>(result.cached_tokens)));
    logits.resize(static_cast<size_t>(sampled_vocab_size()));
    TokenId id = 0;
    if (budget > 0)
      id = backend::require_sampled(backend::sample_token(logits, seen, sampler.sampling(), sampler.next_uniform()));
    while (result.new_tokens < budget) {
      if (result.new_tokens == 0) result.prompt_seconds = seconds_since(start);
      ++result.new_tokens;
      if (!request.ignore_eos && eos_.count(id)) {
        result.finish_reason = FinishReason::kStop;
        if (request.keep_special_tokens) {
          result.tokens.push_back(id);
          show(stop.push(decoder.push(id)), result, on_text);
        }
        break;
      }
      result.tokens.push_back(id);
      seen.push_back(id);
      if (!show(stop.push(decoder.push(id)), result, on_text)) return finish(result, start, FinishReason::kCancelled);
      if (stop.found()) return finish(result, start, FinishReason::kStop);
      const int wanted = budget - result.new_tokens;
      if (wanted == 0) break;
      id = next_after(seen, sampler, wanted);
    }
    show(stop.push(decoder.finish()), result, on_text);
    show(stop.finish(), result, on_text);
    return finish(result, start, stop.found() ? FinishReason::kStop : result.finish_reason);
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
      const backend::MatrixView logits = run_alone(part);
      for (const float loss : backend_->cross_entropy(logits.row_range(0, window - 1), part.subspan(1))) total += loss;
      check_loss(total, "in window " + std::to_string(w + 1) + " of " + std::to_string(result.windows));
      result.tokens += window - 1;
      if (on_step && !on_step(w + 1, result.windows)) {
        throw Error(ErrorKind::kInterrupted,
                    "measuring perplexity: stopped after " + std::to_string(w + 1) + " windows");
      }
    }
    forget_after(0);
    result.perplexity = std::exp(total / static_cast<double>(result.tokens));
    check_loss(result.perplexity, "over all windows");
    result.seconds = seconds_since(start);
    return result;
  }

  std::vector<float> logits(const std::vector<TokenId>& tokens) {
    check_prompt(tokens);
    check_length(tokens);
    std::vector<float> values = backend_->download(run_alone(tokens));
    forget_after(0);
    return values;
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

  static void check_loss(double loss, const std::string& where) {
    if (std::isfinite(loss)) return;
    throw Error(ErrorKind::kNumerical,
                "measuring perplexity: the loss is " + std::to_string(loss) + " " + where +
                    ", expected a number; the model's weights are damaged, or a number in its config.json is wrong "
                    "(rms_norm_eps, rope_theta, rope_scaling)");
  }

  void check_length(const std::vector<TokenId>& tokens) const {
    if (static_cast<int64_t>(tokens.size()) < context_length()) return;
    throw Error(ErrorKind::kUsage, "running the model: the prompt has " + std::to_string(tokens.size()) +
                                       " tokens, the model's context is " + std::to_string(context_length()) +
                                       "; shorten the prompt or clear the conversation");
  }

  // Keeps the cached positions that the new prompt shares with the sequence before, or with earlier ones whose pages are
  // still there; at least the prompt's last token is left to run, because its logits are needed.
  size_t keep_common_prefix(const std::vector<TokenId>& tokens) {
    check_length(tokens);
    // Angles of dynamic RoPE depend on the length of the sequence that made them.
    if (model_.architecture().depends_on_length()) {
      forget_after(0);
      return 0;
    }
    const std::vector<int>& cached = sequence_.tokens();
    size_t same = 0;
    while (same < cached.size() && same + 1 < tokens.size() && cached[same] == tokens[same]) ++same;
    forget_after(same);
    sequence_.extend_from_published(tokens, static_cast<int64_t>(tokens.size()) - 1);
    return static_cast<size_t>(sequence_.length());
  }

  void forget_after(size_t positions) {
    sequence_.truncate(static_cast<int64_t>(positions));
    in_flight_ = 0;
  }

  // Logits of every position of tokens that nothing is in front of                                 [T, V]
  backend::MatrixView run_alone(std::span<const TokenId> tokens) {
    forget_after(0);
    reserve(static_cast<int64_t>(tokens.size()));
    std::vector<int> rows(tokens.size());
    std::iota(rows.begin(), rows.end(), 0);
    model::Batch batch;
    batch.add(tokens, 0, sequence_.pages());
    return model_.forward(batch, rows, pool_.cache());
  }

  // Runs tokens behind the cached ones; logits of the last                                            [V]
  std::vector<float> append(std::span<const TokenId> tokens) {
    reserve(sequence_.length() + static_cast<int64_t>(tokens.size()));
    in_flight_ = 0;
    const bool whole = model_.architecture().depends_on_length();  // one length for all positions
    const size_t most = static_cast<size_t>(backend_->capabilities().prefill_rows);
    std::vector<float> logits;
    while (!tokens.empty()) {
      const size_t count = whole ? tokens.size() : std::min(tokens.size(), most);
      const int last = static_cast<int>(count) - 1;
      model::Batch batch;
      batch.add(tokens.first(count), sequence_.length(), sequence_.pages());
      logits = backend_->download(model_.forward(batch, {&last, 1}, pool_.cache()));
      sequence_.append(tokens.first(count), !whole);
      tokens = tokens.subspan(count);
    }
    return logits;
  }

  // Ids that may be answered: others are padding of the model's table.
  int sampled_vocab_size() const { return std::min(tokenizer_.vocab_size(), vocab_size()); }

  backend::DecodeRunner& runner() {
    if (!runner_) {
      const int64_t positions = pool_.pages() * generate::KvPool::kPageSize;
      runner_ = model_.make_decode_runner(pool_.cache(), 1, positions, sampled_vocab_size());
    }
    return *runner_;
  }

  // The token after those `seen`, the last of which has not run yet. Tokens behind it are submitted before anyone asks, at
  // most as many as are `wanted`: the device never waits for the host. Uniforms go out in the order of the tokens they
  // are for, so that the answer does not depend on how many were submitted.
  TokenId next_after(std::span<const TokenId> seen, generate::Sampler& sampler, int wanted) {
    const int position = static_cast<int>(sequence_.length());
    if (in_flight_ == 0) {
      reserve(position + 1);
      const backend::DecodeSequence start = {seen.back(), position, sampler.sampling(), seen, sequence_.pages()};
      runner().reset({&start, 1});
    }
    while (in_flight_ < std::min(backend::DecodeRunner::kMaxInFlight, wanted) &&
           position + in_flight_ < sequence_.capacity()) {
      const double uniform = sampler.next_uniform();
      runner().submit({&uniform, 1});
      ++in_flight_;
    }
    sequence_.append({&seen.back(), 1}, !model_.architecture().depends_on_length());
    --in_flight_;
    return runner().wait()[0];
  }

  // The pool grows by doubling, so that decoding allocates a handful of times in a conversation.
  void reserve(int64_t positions) {
    const int64_t needed = model::KvCache::pages_for(positions);
    if (needed > pool_.pages()) {
      runner_.reset();
      pool_.grow(std::min(std::max(needed, 2 * pool_.pages()), model::KvCache::pages_for(context_length())));
    }
    sequence_.reserve(positions);
  }

  static bool show(const std::string& text, Result& result, const TextSink& on_text) {
    if (text.empty()) return true;
    result.text += text;
    return !on_text || on_text(text);
  }

  static Result finish(Result& result, std::chrono::steady_clock::time_point start, FinishReason reason) {
    result.finish_reason = reason;
    result.decode_seconds = seconds_since(start) - result.prompt_seconds;
    return std::move(result);
  }

  checkpoint::Checkpoint checkpoint_;
  std::unique_ptr<backend::Backend> backend_;
  Tokenizer tokenizer_;
  generate::GenerationConfig generation_;
  model::Model model_;
  generate::KvPool pool_;
  generate::Sequence sequence_;  // the tokens whose keys and values are in the cache
  std::unique_ptr<backend::DecodeRunner> runner_;
  int in_flight_ = 0;  // submissions of runner_ that nobody has waited for
  std::optional<ChatTemplate> template_;
  std::set<TokenId> eos_;
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

Result Engine::generate(const Request& request, const TextSink& on_text) { return impl_->generate(request, on_text); }
PerplexityResult Engine::perplexity(const std::string& text, int window, const StepSink& on_step) {
  return impl_->perplexity(impl_->tokenizer().encode(text), window, on_step);
}
PerplexityResult Engine::perplexity(const std::vector<TokenId>& tokens, int window, const StepSink& on_step) {
  return impl_->perplexity(tokens, window, on_step);
}
std::vector<float> Engine::logits(const std::vector<TokenId>& tokens) { return impl_->logits(tokens); }
const Tokenizer& Engine::tokenizer() const { return impl_->tokenizer(); }
const ChatTemplate* Engine::chat_template() const { return impl_->chat_template(); }
Sampling Engine::default_sampling() const { return impl_->generation().sampling; }
std::optional<int> Engine::default_max_new_tokens() const { return impl_->generation().max_new_tokens; }
int Engine::context_length() const { return impl_->context_length(); }
int Engine::vocab_size() const { return impl_->vocab_size(); }
int64_t Engine::weight_bytes() const { return impl_->weight_bytes(); }

}  // namespace gptq
