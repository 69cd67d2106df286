// How an answer grows by a token, and what ends it.
#include "generate/answer.h"

#include <algorithm>
#include <utility>

#include "core/clock.h"

namespace gptq::generate {

Answer::Answer(const Request& request, const Tokenizer& tokenizer, const std::set<TokenId>& stop_tokens, int budget,
               Sink sink)
    : request_(request),
      stop_tokens_(stop_tokens),
      budget_(budget),
      sink_(std::move(sink)),
      sampler_(request.sampling),
      decoder_(tokenizer, !request.keep_special_tokens),
      stop_(request.stop),
      seen_(request.tokens) {
  decoder_.follow(request.tokens);
  result_.prompt_tokens = static_cast<int>(request.tokens.size());
  result_.finish_reason = FinishReason::kLength;
  if (request.sampling.temperature > 0) result_.seed = request.sampling.seed;
}

double Answer::uniform(int ahead) {
  while (uniforms_.size() <= static_cast<size_t>(ahead)) uniforms_.push_back(sampler_.next_uniform());
  return uniforms_[static_cast<size_t>(ahead)];
}

void Answer::take(TokenId id) {
  if (!uniforms_.empty()) uniforms_.pop_front();
  if (result_.new_tokens == 0) result_.prompt_seconds = seconds_since(start_);
  ++result_.new_tokens;
  const bool is_stop = request_.stop_tokens
                           ? std::count(request_.stop_tokens->begin(), request_.stop_tokens->end(), id) > 0
                           : !request_.ignore_eos && stop_tokens_.count(id) > 0;
  if (is_stop) {
    if (request_.keep_special_tokens) {
      result_.tokens.push_back(id);
      show(id, stop_.push(decoder_.push(id)));
    }
    if (!ended_) end(FinishReason::kStop);
    return;
  }
  result_.tokens.push_back(id);
  seen_.push_back(id);
  if (!show(id, stop_.push(decoder_.push(id)))) {
    end(FinishReason::kCancelled);
  } else if (stop_.found()) {
    end(FinishReason::kStop);
  } else if (result_.new_tokens == budget_) {
    end(FinishReason::kLength);
  }
}

Result Answer::finish() {
  if (!ended_) end(FinishReason::kLength);  // a budget of 0
  return std::move(result_);
}

bool Answer::show(TokenId id, const std::string& text) {
  result_.text += text;
  return !sink_ || sink_(id, text);
}

void Answer::end(FinishReason reason) {
  ended_ = true;
  result_.finish_reason = reason;
  if (reason != FinishReason::kCancelled && !stop_.found()) {
    for (const std::string& text : {stop_.push(decoder_.finish()), stop_.finish()}) {
      if (!text.empty()) show(-1, text);
    }
    if (stop_.found()) result_.finish_reason = FinishReason::kStop;
  }
  result_.decode_seconds = seconds_since(start_) - result_.prompt_seconds;
}

}  // namespace gptq::generate
