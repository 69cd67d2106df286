// Counting what is alive at the same time, from shapes. Units are bytes; K are the inputs and N the stacked outputs of
// a group, R the rows of a batch.
//
// The counts follow pipeline.cc and solver.cc, and the scratch of src/backend/cuda: split operands take 12 bytes an
// element (split_product.h), strips of rows at most 1 GiB (solve.cu, hessian.cu), regressions a padded factor and a
// solution (factor.cu). A CPU takes less for each.
#include "quantize/memory_plan.h"

#include <algorithm>
#include <array>
#include <numeric>

#include "quantize/batches.h"

namespace gptq {

namespace {

constexpr int64_t kSmall = 64 << 20;  // norms, angles, indices, scales of a group
constexpr int64_t kStripBytes = int64_t{1} << 30;
constexpr int64_t kOuter = 1024;            // columns or terms of one split product
constexpr int64_t kPad = 512;               // the regression's factor has a multiple of that many rows
constexpr int64_t kRegressRows = 8192;      // of the weights that are updated at a time
constexpr int64_t kSplit = 12, kFloat = 4;  // bytes of an element
constexpr int64_t kSmallestRows = 2048;     // of a batch: below, a GPU is not filled
constexpr double kPoolLoss = 1.05;

int64_t square(int64_t k) { return k * k * kFloat; }

struct Group {
  int64_t n = 0, widest = 0, k = 0;     // outputs of all linears and of the widest, inputs
  int64_t stored_bits = 0;              // of a weight on the device after quantizing, at most
  bool sorted = false, solved = false;  // whether any layer's group is
};

class Counter {
 public:
  explicit Counter(const MemoryProblem& problem) : p_(problem), a_(problem.architecture) {
    for (const LayerPlan& layer : p_.modules.layers) {
      for (size_t i = 0; i < groups_.size(); ++i) {
        Group& group = groups_[i];
        group.n = 0;
        for (const LinearSpec& linear : layer[i].group.linears) {
          group.n += linear.out_features;
          group.widest = std::max(group.widest, linear.out_features);
          group.k = linear.in_features;
        }
        const auto& grid = layer[i].grid;
        group.solved |= grid.has_value();
        group.sorted |= grid && grid->desc_act;
        // With scale and zero for each group of columns.
        const int64_t bits =
            grid ? grid->bits + (grid->group_size > 0 ? 32 / grid->group_size + 1 : 1) : 8 * p_.activation_bytes;
        group.stored_bits = std::max(group.stored_bits, bits);
      }
    }
    for (const Group& group : groups_) widest_input_ = std::max(widest_input_, group.k);
  }

  // Fills in the plan's bytes.
  void count(MemoryPlan& plan) const {
    const std::vector<Batch> batches = make_batches(p_.lengths, p_.held, p_.gptaq, plan.batch_rows);
    int64_t resident = 0, rows = 0;
    plan.stream_host_bytes = 0;
    for (size_t b = 0; b < batches.size(); ++b) {
      const int64_t streams = batches[b].paired ? 2 : 1;
      const int64_t batch_rows = batches[b].rows();
      const int64_t hidden = streams * batch_rows * a_.hidden_size * kFloat;
      rows = std::max(rows, batch_rows);
      if (static_cast<int64_t>(b) < plan.resident_batches) {
        resident += hidden;
        if (plan.keep_inputs) resident += streams * batch_rows * widest_input_ * p_.activation_bytes;
      } else {
        plan.stream_host_bytes += hidden;
      }
    }
    plan.hessian_host_bytes = plan.hessian_on_host ? square(widest_input_) : 0;
    const bool streamed = plan.resident_batches < static_cast<int64_t>(batches.size());
    int64_t most =
        a_.vocab_size * a_.hidden_size * p_.activation_bytes + rows * a_.hidden_size * kFloat * 2;  // embedding
    if (p_.true_sequential) {
      for (int stage = 0; stage < kLinearSets; ++stage) {
        for (const int64_t streams : {1, 2}) {
          if (streams == 2 && !p_.gptaq) continue;
          const int first = plan.keep_inputs ? stage : stage / 2 * 2;
          most = std::max(
              most, pass_bytes(plan, first, stage, streams, rows, streamed) + observing_bytes(stage, streams, rows));
          // A layer that an earlier run has finished.
          most = std::max(most, pass_bytes(plan, 0, kLinearSets - 1, streams, rows, streamed));
        }
        most = std::max(most, solve_bytes(plan, stage));
      }
    } else {
      int64_t hessians = 0, weights = 0;
      for (const Group& group : groups_) {
        hessians += square(group.k);
        weights += group.n * group.k * p_.activation_bytes;
      }
      const int64_t copy = rows * a_.hidden_size * kFloat;
      for (int stage = 0; stage < kLinearSets; ++stage) {
        most = std::max(most, hessians + weights + copy + pass_bytes(plan, 0, stage, 1, rows, streamed));
        most = std::max(most, hessians + solve_bytes(plan, stage));
      }
    }
    plan.device_bytes = resident + most + kSmall;
  }

 private:
  const Group& group(int stage) const { return groups_[static_cast<size_t>(stage)]; }

  int64_t weight_bytes(int stage) const { return group(stage).n * group(stage).k * group(stage).stored_bits / 8; }

  // A pass over the batches through some stages: windows on the streams, inputs, what the linears give, and the
  // weights, with the dense form of one of them.
  int64_t pass_bytes(const MemoryPlan& plan, int first, int last, int64_t streams, int64_t rows, bool streamed) const {
    const int64_t act = p_.activation_bytes;
    int64_t bytes = streamed ? 2 * streams * rows * a_.hidden_size * kFloat : 0;
    int64_t input = 0, output = 0, dense = 0;
    for (int s = first; s <= last; ++s) {
      input = std::max(input, rows * (group(s).sorted ? 2 : 1) * group(s).k * act);
      output = std::max(output, rows * (s == 1 || s == 3 ? a_.hidden_size : group(s).n) * act);
      dense = std::max(dense, group(s).widest * group(s).k * act);
      bytes += weight_bytes(s);
      if (streams == 2) bytes += group(s).n * group(s).k * act;
    }
    return bytes + output + dense + (plan.keep_inputs ? 0 : streams * input);
  }

  // The sums that grow in such a pass. Those of both streams come first; then a copy of the Hessian is kept.
  int64_t observing_bytes(int stage, int64_t streams, int64_t rows) const {
    const int64_t k = group(stage).k;
    if (streams == 2) return 2 * square(k) + rows * k * p_.activation_bytes;
    return (p_.gptaq ? 3 : 1) * square(k);
  }

  int64_t solve_bytes(const MemoryPlan& plan, int stage) const {
    const int64_t n = group(stage).n, k = group(stage).k;
    if (!group(stage).solved) return n * k * p_.activation_bytes;
    const int64_t weights = n * k * kFloat;
    const int64_t earlier = plan.keep_inputs || stage % 2 == 0 ? 0 : weight_bytes(stage - 1);
    const int64_t strip = std::min(n * k * kFloat, kStripBytes);
    const int64_t quadratic = square(k) + weights + strip + kSplit * kOuter * (std::min(n, strip / k / kFloat) + k);

    // H and the factor, weights in natural and in processing order, codes; then a strip with its split operands.
    const int64_t row = (k + 4 * kOuter + kPad) * kFloat;
    const int64_t columns = 2 * square(k) + 2 * weights + n * k + std::min(n * row, kStripBytes) + kSplit * kOuter * k +
                            2 * 128 * k * kFloat;
    int64_t most = std::max(quadratic, columns);
    if (p_.gptaq) {
      const int64_t padded = (k + kPad - 1) / kPad * kPad;
      const bool few = n < k;
      const int64_t solved = (few ? n : k) * padded * kFloat;
      const int64_t product = few ? 0 : std::min(n, kRegressRows) * k * kFloat;
      const int64_t split = kSplit * kOuter * (std::min(n, few ? n : kRegressRows) + k) + 3 * kPad * padded * kFloat;
      const int64_t regress =
          (plan.hessian_on_host ? 2 : 3) * square(k) + square(padded) + weights + solved + product + split;
      most = std::max({most, regress, quadratic + 2 * square(k)});
    }
    return earlier + most;
  }

  const MemoryProblem& p_;
  const Architecture& a_;
  std::array<Group, kLinearSets> groups_;
  int64_t widest_input_ = 0;
};

// How many of the longest windows so many rows have room for: one at least, all at most.
int64_t windows_within(const MemoryProblem& problem, int64_t rows) {
  return std::clamp<int64_t>(rows / problem.longest(), 1, static_cast<int64_t>(problem.lengths.size()));
}

int64_t batch_count(const MemoryProblem& p, const MemoryPlan& plan) {
  return static_cast<int64_t>(make_batches(p.lengths, p.held, p.gptaq, plan.batch_rows).size());
}

}  // namespace

int64_t MemoryProblem::tokens() const {
  int64_t sum = 0;
  for (const auto* list : {&lengths, &held}) sum = std::accumulate(list->begin(), list->end(), sum);
  return sum;
}

int64_t required_bytes(const MemoryPlan& plan) {
  return static_cast<int64_t>(kPoolLoss * static_cast<double>(plan.device_bytes));
}

std::optional<MemoryPlan> plan_memory(const MemoryProblem& problem, int64_t available) {
  const Counter counter(problem);
  const auto fits = [&](MemoryPlan& plan) {
    counter.count(plan);
    return required_bytes(plan) <= available;
  };
  for (int64_t windows = windows_within(problem, problem.batch_rows);; windows /= 2) {
    MemoryPlan plan;
    plan.batch_rows = windows * problem.longest();
    const int64_t batches = batch_count(problem, plan);
    plan.resident_batches = batches;
    plan.keep_inputs = problem.true_sequential;  // otherwise inputs are needed once
    if (fits(plan)) return plan;
    plan.keep_inputs = false;
    for (plan.resident_batches = batches; plan.resident_batches >= 0; --plan.resident_batches) {
      for (const bool on_host : {false, true}) {
        plan.hessian_on_host = on_host;
        if ((!on_host || problem.gptaq) && fits(plan)) return plan;
      }
    }
    if (windows == 1 || windows / 2 * problem.longest() < kSmallestRows) return std::nullopt;
  }
}

MemoryPlan smallest_memory_plan(const MemoryProblem& problem) {
  MemoryPlan plan;
  plan.batch_rows = windows_within(problem, std::min(kSmallestRows, problem.batch_rows)) * problem.longest();
  plan.keep_inputs = false;
  plan.hessian_on_host = problem.gptaq;
  Counter(problem).count(plan);
  return plan;
}

}  // namespace gptq
