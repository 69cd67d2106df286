// Answers several requests at once: their prompts, then one token at a time for all that still run.
#pragma once

#include <list>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <stop_token>
#include <utility>
#include <vector>

#include <gptq/engine.h>

#include "generate/answer.h"
#include "generate/kv_pool.h"
#include "model/model.h"

namespace gptq::generate {

// A request is admitted when the pool has pages for its prompt and all it may generate, first come first served, so that what
// has begun never lacks memory; a request that ends makes room for the next one. What a prompt shares with earlier
// ones whose pages are still there does not run again. On a CPU each answer has the same bits as if it ran alone. One
// object must not be used by two threads at the same time.
class Scheduler {
 public:
  // Keeps references. Ids from `vocabulary` on are never sampled.
  Scheduler(model::Model& model, backend::Backend& backend, const Tokenizer& tokenizer,
            const std::set<TokenId>& stop_tokens, int vocabulary);

  // Called for each token of request `index`; see Answer::Sink.
  using Sink = std::function<bool(size_t index, TokenId token, const std::string& text)>;

  // Prompts must have been checked. A stop request ends all that have not ended with FinishReason::kCancelled. Throws
  // Error(kOutOfMemory) when the memory does not suffice for one request alone, and forgets everything after any error.
  std::vector<Result> run(std::span<const Request> requests, const Sink& on_token, const std::stop_token& stop = {});

  // Logits of every position of a sequence that begins at position 0; forgets the sequence kept for the next prompt.
  // Valid until the next call.                                                                          [T, V]
  backend::MatrixView run_alone(std::span<const TokenId> tokens);
  void forget();  // the sequence kept for the next prompt

 private:
  struct Running {
    template <typename... Args>  // of the answer
    Running(size_t request, Sequence pages, Args&&... args)
        : index(request), sequence(std::move(pages)), answer(std::forward<Args>(args)...) {}

    size_t index;  // of the request
    Sequence sequence;
    Answer answer;
  };

  bool admit(std::span<const Request> requests, size_t index, const Sink& on_token);
  void prefill(std::span<Running* const> admitted, const std::stop_token& stop);
  void take_first_tokens(std::span<Running* const> complete, std::span<float> logits);
  void decode();
  void restart_runner();
  void collect_ended(std::vector<Result>& results);
  Sequence take_sequence(const std::vector<TokenId>& tokens);
  bool reserve(Sequence& sequence, int64_t positions);
  int64_t context_length() const { return model_.architecture().context_length; }

  model::Model& model_;
  backend::Backend& backend_;
  const Tokenizer& tokenizer_;
  const std::set<TokenId>& stop_tokens_;
  const int vocabulary_;
  const bool whole_prompts_;  // one length decides the angles of all positions: prompts run in one piece and alone
  KvPool pool_;
  std::list<Running> running_;
  std::optional<Sequence> kept_;  // of the request that ended last
  std::unique_ptr<backend::DecodeRunner> runner_;
  int64_t runner_sequences_ = 0;
  int in_flight_ = 0;  // submissions of runner_ not yet waited for
};

}  // namespace gptq::generate
