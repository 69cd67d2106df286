// Measuring a model through the engine, as users do, together with the rates of the device.
#include <gptq/bench.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <iterator>
#include <limits>
#include <memory>
#include <span>

#include <gptq/engine.h>
#include <gptq/error.h>

#include "checkpoint/checkpoint.h"
#include "core/clock.h"
#include "generate/device_rates.h"
#include "generate/kv_pool.h"
#include "model/families.h"
#include "model/model.h"

namespace gptq::generate {

using checkpoint::Checkpoint;

namespace {

constexpr int kFirstPrompt = 8;  // tokens of the prompt before the first token

constexpr int kMaxBatch = 4096, kMaxRepeat = 1000;  // limits far above practical values

void require_range(const char* what, const std::vector<int>& values, int max = std::numeric_limits<int>::max()) {
  for (const int value : values) {
    if (value >= 1 && value <= max) continue;
    const bool bounded = max < std::numeric_limits<int>::max();
    throw Error(ErrorKind::kUsage, "measuring: found " + std::to_string(value) + " among the " + what +
                                       ", expected numbers from 1 " + (bounded ? "to " + std::to_string(max) : "on"));
  }
}

// Lengths are compared with the model's context after it is loaded.
void check(const BenchOptions& options) {
  require_range("prompt lengths", options.prompt_lengths);
  require_range("depths", options.depths);
  require_range("batches", options.batches, kMaxBatch);
  require_range("numbers of tokens", {options.tokens});
  require_range("repetitions", {options.repeat}, kMaxRepeat);
}

const std::vector<int> kUsualPrompts = {128, 512, 2048}, kUsualDepths = {128, 1024, 4096};

// The requested lengths or, without any, the usual lengths that leave `more` tokens of the context free; if none does,
// half of the rest of the context. Throws Error(kUsage) if a requested length does not fit.
std::vector<int> fitting(const std::vector<int>& asked, const std::vector<int>& usual, const std::string& what,
                         int64_t more, int64_t context) {
  const auto fits = [&](int length) { return length + more <= context; };
  for (const int length : asked) {
    if (fits(length)) continue;
    throw Error(ErrorKind::kUsage, "measuring: a " + what + " of " + std::to_string(length) + " needs a context of " +
                                       std::to_string(length + more) + ", the model has " + std::to_string(context) +
                                       "; omit it to use lengths that fit");
  }
  if (!asked.empty()) return asked;
  std::vector<int> chosen;
  std::copy_if(usual.begin(), usual.end(), std::back_inserter(chosen), fits);
  const int64_t half = (context - more) / 2;
  if (chosen.empty() && half < 1) {
    throw Error(ErrorKind::kUsage, "measuring: " + std::to_string(more) + " tokens plus a " + what +
                                       " do not fit the model's context of " + std::to_string(context) +
                                       "; use fewer --tokens");
  }
  if (chosen.empty()) chosen.push_back(static_cast<int>(half));
  return chosen;
}

// A model without an engine, which decodes several sequences at once.
class BatchRun {
 public:
  BatchRun(const BenchOptions& options, const Checkpoint& checkpoint, int vocabulary)
      : backend_(backend::make_backend(options.compute, model::stored_dtype(checkpoint))),
        model_(checkpoint, *backend_, options.compute.threads),
        vocabulary_(vocabulary) {}

  // Prepares `capacity` positions for each of `batch` sequences.
  void reset(int batch, int capacity) {
    runner_.reset();
    sequences_.clear();
    pool_.reset();
    capacity_ = capacity;
    pool_ = std::make_unique<KvPool>(model_, *backend_, batch * model::KvCache::pages_for(capacity));
  }

  // Adds a sequence and runs its prompt.
  void add(std::span<const TokenId> prompt) {
    Sequence& sequence = sequences_.emplace_back(*pool_);
    sequence.reserve(capacity_);
    const bool whole = model_.architecture().depends_on_length();
    const size_t most = whole ? prompt.size() : kChunk;
    for (size_t done = 0; done < prompt.size(); done += most) {
      const auto part = prompt.subspan(done, std::min(most, prompt.size() - done));
      const int last = static_cast<int>(part.size()) - 1;
      model::Batch batch;
      batch.add(part, sequence.length(), sequence.pages());
      model_.forward(batch, {&last, 1}, pool_->cache());
      sequence.append(part, false);
    }
  }

  // Seconds to decode `count` tokens of every sequence after its prompt.
  double decode(int count) {
    if (!runner_) {
      runner_ =
          model_.make_decode_runner(pool_->cache(), static_cast<int64_t>(sequences_.size()), capacity_, vocabulary_);
    }
    std::vector<backend::DecodeSequence> starts;
    for (const Sequence& sequence : sequences_) {
      starts.push_back({sequence.tokens().back(), static_cast<int>(sequence.length())});
      starts.back().pages = sequence.pages();
    }
    const auto start = std::chrono::steady_clock::now();
    runner_->reset(starts);
    int submitted = 0;
    for (int done = 0; done < count; ++done) {
      for (; submitted < std::min(count, done + backend::DecodeRunner::kMaxInFlight); ++submitted) runner_->submit({});
      runner_->wait();
    }
    return seconds_since(start);
  }

 private:
  static constexpr size_t kChunk = 512;

  std::unique_ptr<backend::Backend> backend_;
  model::Model model_;
  int vocabulary_;
  int capacity_ = 0;
  std::unique_ptr<KvPool> pool_;
  std::deque<Sequence> sequences_;
  std::unique_ptr<backend::DecodeRunner> runner_;
};

class Bench {
 public:
  Bench(const BenchOptions& options, const BenchSink& on_progress)
      : options_(options), on_progress_(on_progress), checkpoint_(Checkpoint::open(options.model)) {
    architecture_ = model::read_architecture(checkpoint_.config(), (checkpoint_.folder() / "config.json").string());
    const int64_t context = architecture_.context_length;
    options_.prompt_lengths = fitting(options.prompt_lengths, kUsualPrompts, "prompt length", 1, context);
    // The first token counts towards the prompt.
    options_.depths = fitting(options.depths, kUsualDepths, "depth", int64_t{options.tokens} + 1, context);
    steps_ = 2 + options_.prompt_lengths.size() + options_.depths.size() * options_.batches.size();
  }

  BenchReport run() {
    progress("loading");
    load();
    progress("device");
    measure_limits();
    for (const int length : options_.prompt_lengths) {
      progress("pp" + std::to_string(length));
      measure_prompt(length);
    }
    for (const int batch : options_.batches) {
      for (const int depth : options_.depths) {
        progress(decode_name(depth));
        batch == 1 ? measure_decode(depth) : measure_batch(depth, batch);
      }
    }
    return std::move(report_);
  }

 private:
  void progress(const std::string& what) {
    const double fraction = static_cast<double>(step_++) / static_cast<double>(steps_);
    if (on_progress_ && !on_progress_(fraction, what)) {
      throw Error(ErrorKind::kInterrupted, "measuring " + options_.model + ": stopped before " + what);
    }
  }

  std::string decode_name(int depth) const {
    return "tg" + std::to_string(options_.tokens) + "@d" + std::to_string(depth);
  }

  void load() {
    const auto start = std::chrono::steady_clock::now();
    engine();
    report_.load_seconds = seconds_since(start);
    vocabulary_ = std::min(engine().vocab_size(), engine().tokenizer().vocab_size());
    generate(random_prompt(std::min(kFirstPrompt, engine().context_length() - 1)), 1);
    report_.first_token_seconds = seconds_since(start);
    report_.model = options_.model;
    report_.weight_bytes = engine().weight_bytes();
  }

  // Only one of the two holds the model's weights at a time.
  Engine& engine() {
    batch_run_.reset();
    if (!engine_) engine_ = std::make_unique<Engine>(Engine::open(options_.model, options_.compute));
    return *engine_;
  }
  BatchRun& batch_run() {
    engine_.reset();
    if (!batch_run_) batch_run_ = std::make_unique<BatchRun>(options_, checkpoint_, vocabulary_);
    return *batch_run_;
  }

  void measure_limits() {
    const std::unique_ptr<backend::Backend> backend = backend::make_backend(options_.compute);
    const DeviceRates rates = measure_device(*backend);
    report_.device = to_string(backend->device());
    report_.memory_rate = rates.memory;
    report_.product_rate = rates.products;
    report_.memory_kind = rates.memory_kind;
    report_.product_kind = rates.products_kind;
    activation_bytes_ = size_of(backend->activation_dtype());
  }

  void measure_prompt(int length) {
    BenchRow row;
    row.kind = BenchRow::Kind::kPrompt;
    row.name = "pp" + std::to_string(length);
    row.tokens = length;
    // Random prompts differ in their first token, so that no prefix of the previous one is found in the cache.
    repeat(row, [&] { return generate(random_prompt(length), 1).prompt_seconds; });
    row.operations_per_second = prompt_operations(length) / row.median_seconds;
    row.share = row.operations_per_second / report_.product_rate;
    report_.rows.push_back(row);
  }

  void measure_decode(int depth) {
    // The same prompt again: the engine reuses it from its cache.
    const std::vector<TokenId> prompt = random_prompt(depth);
    add_decode_row(depth, 1, [&] { return generate(prompt, options_.tokens + 1).decode_seconds; });
  }

  void measure_batch(int depth, int batch) {
    BatchRun& run = batch_run();
    run.reset(batch, depth + options_.tokens);
    for (int sequence = 0; sequence < batch; ++sequence) run.add(random_prompt(depth));
    add_decode_row(depth, batch, [&] { return run.decode(options_.tokens); });
  }

  template <typename Run>
  void add_decode_row(int depth, int batch, const Run& run) {
    BenchRow row;
    row.kind = BenchRow::Kind::kDecode;
    row.name = decode_name(depth);
    row.batch = batch;
    row.tokens = options_.tokens;
    repeat(row, run);
    row.bytes_per_second = decode_bytes(depth, batch) / row.median_seconds;
    row.share = row.bytes_per_second / report_.memory_rate;
    report_.rows.push_back(row);
  }

  template <typename Run>  // returns seconds
  void repeat(BenchRow& row, const Run& run) {
    run();
    std::vector<double> seconds;
    for (int i = 0; i < options_.repeat; ++i) seconds.push_back(run());
    std::sort(seconds.begin(), seconds.end());
    const size_t half = seconds.size() / 2;
    row.median_seconds = seconds.size() % 2 == 1 ? seconds[half] : (seconds[half - 1] + seconds[half]) / 2;
    row.min_seconds = seconds.front();
    row.max_seconds = seconds.back();
    row.tokens_per_second = static_cast<double>(row.tokens) * row.batch / row.median_seconds;
  }

  Result generate(std::vector<TokenId> prompt, int tokens) {
    Request request;
    request.tokens = std::move(prompt);
    request.max_new_tokens = tokens;
    request.ignore_eos = true;
    return engine().generate(request);
  }

  std::vector<TokenId> random_prompt(int length) {
    const uint64_t ids = static_cast<uint64_t>(vocabulary_);
    std::vector<TokenId> prompt;
    for (int i = 0; i < length; ++i) {
      random_ = random_ * 6364136223846793005ull + 1442695040888963407ull;
      prompt.push_back(static_cast<TokenId>((random_ >> 33) % ids));
    }
    if (length > 0 && prompt[0] == last_first_)
      prompt[0] = static_cast<TokenId>((static_cast<uint64_t>(prompt[0]) + 1) % ids);
    if (length > 0) last_first_ = prompt[0];
    return prompt;
  }

  // Positions that a query with `past` earlier positions attends to in a layer.
  static double attended(const backend::AttentionStep& attention, double past) {
    return attention.window > 0 ? std::min(past + 1, static_cast<double>(attention.window)) : past + 1;
  }

  double prompt_operations(int length) const {
    double operations =
        2 * static_cast<double>(architecture_.hidden_size * architecture_.vocab_size);  // of the last token
    for (int64_t layer = 0; layer < architecture_.layers; ++layer) {
      const backend::LayerProgram& program = architecture_.program(layer);
      for (const backend::LinearSet& set : program.linear_sets) {
        operations += 2.0 * length * static_cast<double>(set.in_features()) * static_cast<double>(set.out_features());
      }
      const backend::AttentionStep& attention = program.attention();
      for (int i = 0; i < length; ++i) {  // scores and their sum over the values
        operations += 4 * attended(attention, i) * static_cast<double>(attention.heads * attention.head_dim);
      }
    }
    return operations;
  }

  double decode_bytes(int depth, int batch) const {
    double bytes = static_cast<double>(report_.weight_bytes) * options_.tokens;
    for (int64_t layer = 0; layer < architecture_.layers; ++layer) {
      const backend::LayerProgram& program = architecture_.program(layer);
      const double position = 2.0 * static_cast<double>(program.cache_columns() * activation_bytes_);
      for (int i = 0; i < options_.tokens; ++i) {
        bytes += batch * position * attended(program.attention(), depth + i);
      }
    }
    return bytes;
  }

  BenchOptions options_;
  const BenchSink& on_progress_;
  size_t steps_ = 1, step_ = 0;
  Checkpoint checkpoint_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<BatchRun> batch_run_;
  model::Architecture architecture_;
  int vocabulary_ = 0;
  int64_t activation_bytes_ = 0;
  uint64_t random_ = 1;
  TokenId last_first_ = -1;
  BenchReport report_;
};

}  // namespace

}  // namespace gptq::generate

namespace gptq {

BenchReport run_bench(const BenchOptions& options, const BenchSink& on_progress) {
  generate::check(options);
  return generate::Bench(options, on_progress).run();
}

}  // namespace gptq
