// One request while it is being answered: the tokens so far, the text that is certain, and whether it has ended.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <set>
#include <vector>

#include <gptq/engine.h>

#include "generate/sampler.h"
#include "generate/stop.h"

namespace gptq::generate {

class Answer {
 public:
  // Called with each token and the text that became certain with it; token −1: text that only the end made certain.
  // Returns false to cancel.
  using Sink = std::function<bool(TokenId token, const std::string& text)>;

  // `stop_tokens` end the answer, unless the request has its own. At most `budget` tokens are generated. Keeps
  // references to all but the sink. Throws Error(kUsage) for sampling values out of range.
  Answer(const Request& request, const Tokenizer& tokenizer, const std::set<TokenId>& stop_tokens, int budget,
         Sink sink);

  const Sampling& sampling() const { return sampler_.sampling(); }
  const std::vector<TokenId>& seen() const { return seen_; }  // prompt and answer
  int wanted() const { return ended_ ? 0 : budget_ - result_.new_tokens; }

  // The uniform that samples the token which is `ahead` tokens after those taken so far. The same one however often it
  // is asked for, so that submissions can be repeated.
  double uniform(int ahead);

  void take(TokenId id);
  void cancel() { end(FinishReason::kCancelled); }
  Result finish();  // once wanted() is 0

  Result& result() { return result_; }

 private:
  bool show(TokenId id, const std::string& text);  // false: cancelled
  void end(FinishReason reason);

  const Request& request_;
  const std::set<TokenId>& stop_tokens_;
  const int budget_;
  const Sink sink_;
  Sampler sampler_;
  std::deque<double> uniforms_;  // drawn for tokens that were not taken yet
  StreamingDecoder decoder_;
  StopStrings stop_;
  std::vector<TokenId> seen_;
  Result result_;
  bool ended_ = false;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace gptq::generate
