// Admission, prompts, and the loop that decodes for all running requests.
#include "generate/scheduler.h"

#include <algorithm>
#include <bit>
#include <numeric>
#include <utility>

#include <gptq/error.h>

#include "backend/sampling/sample.h"

namespace gptq::generate {

namespace {

constexpr int64_t kFirstCapacity = 256;  // positions in a new pool; it doubles when full
constexpr size_t kMaxRunning = 64;       // requests at once

}  // namespace

Scheduler::Scheduler(model::Model& model, backend::Backend& backend, const Tokenizer& tokenizer,
                     const std::set<TokenId>& stop_tokens, int vocabulary)
    : model_(model),
      backend_(backend),
      tokenizer_(tokenizer),
      stop_tokens_(stop_tokens),
      vocabulary_(vocabulary),
      whole_prompts_(model.architecture().depends_on_length()),
      pool_(model, backend, model::KvCache::pages_for(std::min(kFirstCapacity, context_length()))) {}

std::vector<Result> Scheduler::run(std::span<const Request> requests, const Sink& on_token,
                                   const std::stop_token& stop) {
  std::vector<Result> results(requests.size());
  const size_t most = whole_prompts_ ? 1 : kMaxRunning;
  size_t next = 0;
  size_t refused_with = 0;  // running requests when one was not admitted: it is tried again when there are fewer
  try {
    while (next < requests.size() || !running_.empty()) {
      std::vector<Running*> admitted;
      while (next < requests.size() && running_.size() < most &&
             (refused_with == 0 || running_.size() < refused_with)) {
        refused_with = admit(requests, next, on_token) ? 0 : running_.size();
        if (refused_with > 0) break;
        admitted.push_back(&running_.back());
        ++next;
      }
      if (!admitted.empty()) prefill(admitted, stop);
      collect_ended(results);
      if (stop.stop_requested()) {
        for (Running& running : running_) running.answer.cancel();
        for (; next < requests.size(); ++next) results[next].finish_reason = FinishReason::kCancelled;
        collect_ended(results);
      } else if (!running_.empty()) {
        decode();
        collect_ended(results);
      }
    }
  } catch (...) {
    for (Running& running : running_) running.sequence.discard();  // what is cached may be part of what failed
    running_.clear();
    forget();
    throw;
  }
  return results;
}

backend::MatrixView Scheduler::run_alone(std::span<const TokenId> tokens) {
  forget();
  Sequence sequence(pool_);
  reserve(sequence, static_cast<int64_t>(tokens.size()));
  std::vector<int> rows(tokens.size());
  std::iota(rows.begin(), rows.end(), 0);
  model::Batch batch;
  batch.add(tokens, 0, sequence.pages());
  return model_.forward(batch, rows, pool_.cache());
}

void Scheduler::forget() {
  kept_.reset();
  in_flight_ = 0;
}

// The sequence that a prompt continues: the one kept from the request before when they begin alike, and published
// pages; at least the prompt's last token is left to run, because its logits are needed.
Sequence Scheduler::take_sequence(const std::vector<TokenId>& tokens) {
  Sequence sequence(pool_);
  // Angles that depend on the length of a sequence hold for that one only.
  if (whole_prompts_) return sequence;
  const auto limit = static_cast<int64_t>(tokens.size()) - 1;
  sequence.extend_from_published(tokens, limit);
  if (!kept_) return sequence;
  Sequence kept = std::move(*kept_);
  kept_.reset();
  int64_t same = 0;
  while (same < std::min(kept.length(), limit) &&
         kept.tokens()[static_cast<size_t>(same)] == tokens[static_cast<size_t>(same)])
    ++same;
  kept.truncate(same);
  kept.extend_from_published(tokens, limit);
  return kept.length() >= sequence.length() ? std::move(kept) : std::move(sequence);
}

// False when its pages are not free while others run.
bool Scheduler::admit(std::span<const Request> requests, size_t index, const Sink& on_token) {
  const Request& request = requests[index];
  const auto prompt = static_cast<int64_t>(request.tokens.size());
  const int budget = static_cast<int>(std::min<int64_t>(request.max_new_tokens, context_length() - prompt));
  Sequence sequence = take_sequence(request.tokens);
  if (!reserve(sequence, prompt + budget)) return false;
  Answer::Sink sink;
  if (on_token) {
    sink = [&on_token, index](TokenId token, const std::string& text) { return on_token(index, token, text); };
  }
  running_.emplace_back(index, std::move(sequence), request, tokenizer_, stop_tokens_, budget, std::move(sink));
  running_.back().answer.result().cached_tokens = static_cast<int>(running_.back().sequence.length());
  in_flight_ = 0;
  return true;
}

// Pages for `positions` positions. The pool grows by doubling up to one context, so that a conversation allocates a handful
// of times, and beyond that as needed. False when there is no memory for it while others run.
bool Scheduler::reserve(Sequence& sequence, int64_t positions) {
  const int64_t missing = sequence.missing_pages(positions);
  if (missing > pool_.free_pages()) {
    const int64_t needed = pool_.pages() + missing - pool_.free_pages();
    const int64_t doubled = std::min(2 * pool_.pages(), model::KvCache::pages_for(context_length()));
    runner_.reset();
    in_flight_ = 0;
    try {
      pool_.grow(std::max(needed, doubled));
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::kOutOfMemory || running_.empty()) throw;
      return false;
    }
  }
  sequence.reserve(positions);
  return true;
}

// Runs the prompts, several in one batch where they are short.
void Scheduler::prefill(std::span<Running* const> admitted, const std::stop_token& stop) {
  const auto most = static_cast<int64_t>(backend_.capabilities().prefill_rows);
  size_t next = 0;
  while (next < admitted.size() && !stop.stop_requested()) {
    model::Batch batch;
    std::vector<int> last_rows;
    std::vector<std::pair<Running*, std::span<const TokenId>>> parts;
    std::vector<Running*> complete;
    int64_t rows = 0;
    while (next < admitted.size() && rows < most) {
      Running& running = *admitted[next];
      const std::span<const TokenId> rest =
          std::span(running.answer.seen()).subspan(static_cast<size_t>(running.sequence.length()));
      const auto all = static_cast<int64_t>(rest.size());
      const int64_t count = whole_prompts_ ? all : std::min(all, most - rows);
      parts.emplace_back(&running, rest.first(static_cast<size_t>(count)));
      batch.add(parts.back().second, running.sequence.length(), running.sequence.pages());
      rows += count;
      if (count < all) break;
      last_rows.push_back(static_cast<int>(rows) - 1);
      complete.push_back(&running);
      ++next;
    }
    const backend::MatrixView logits = model_.forward(batch, last_rows, pool_.cache());
    std::vector<float> values = complete.empty() ? std::vector<float>() : backend_.download(logits);
    for (const auto& [running, tokens] : parts) running->sequence.append(tokens, !whole_prompts_);
    take_first_tokens(complete, values);
  }
}

// `logits` [S, V]
void Scheduler::take_first_tokens(std::span<Running* const> complete, std::span<float> logits) {
  for (size_t i = 0; i < complete.size(); ++i) {
    Answer& answer = complete[i]->answer;
    if (answer.wanted() == 0) continue;
    const auto width = static_cast<size_t>(model_.architecture().vocab_size);
    const auto row = logits.subspan(i * width, static_cast<size_t>(vocabulary_));
    answer.take(
        backend::require_sampled(backend::sample_token(row, answer.seen(), answer.sampling(), answer.uniform(0))));
  }
}

void Scheduler::restart_runner() {
  const auto sequences = static_cast<int64_t>(std::bit_ceil(running_.size()));
  if (!runner_ || runner_sequences_ < sequences) {
    runner_.reset();
    const int64_t pages = std::min(pool_.pages(), model::KvCache::pages_for(context_length()));
    runner_ = model_.make_decode_runner(pool_.cache(), sequences, pages * KvPool::kPageSize, vocabulary_);
    runner_sequences_ = sequences;
  }
  std::vector<backend::DecodeSequence> starts;
  for (const Running& running : running_) {
    const std::vector<TokenId>& seen = running.answer.seen();
    starts.push_back({seen.back(), static_cast<int>(running.sequence.length()), running.answer.sampling(), seen,
                      running.sequence.pages()});
  }
  runner_->reset(starts);
}

// One token for every running request. Later ones are submitted in advance, at most as many as all of them want, so that
// the device does not wait for the host.
void Scheduler::decode() {
  if (in_flight_ == 0) restart_runner();
  int wanted = backend::DecodeRunner::kMaxInFlight;
  for (const Running& running : running_) wanted = std::min(wanted, running.answer.wanted());
  for (; in_flight_ < wanted; ++in_flight_) {
    std::vector<double> uniforms;
    for (Running& running : running_) uniforms.push_back(running.answer.uniform(in_flight_));
    runner_->submit(uniforms);
  }
  for (Running& running : running_) {
    running.sequence.append({&running.answer.seen().back(), 1}, !whole_prompts_);
  }
  --in_flight_;
  const std::vector<int> tokens = runner_->wait();
  size_t i = 0;
  for (Running& running : running_) running.answer.take(tokens[i++]);
}

void Scheduler::collect_ended(std::vector<Result>& results) {
  for (auto running = running_.begin(); running != running_.end();) {
    if (running->answer.wanted() > 0) {
      ++running;
      continue;
    }
    results[running->index] = running->answer.finish();
    kept_ = std::move(running->sequence);
    running = running_.erase(running);
    in_flight_ = 0;
  }
}

}  // namespace gptq::generate
