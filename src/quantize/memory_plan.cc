// Counting the memory in use at the same time, from the layers' programs. Units are bytes; K are the inputs and N the
// stacked outputs of a linear set, R the rows of a batch.
//
// The counts follow pipeline.cc and solver.cc; the scratch memory of a backend's operations is reported by the backend.
#include "quantize/memory_plan.h"

#include <algorithm>
#include <numeric>

#include "core/group_size.h"
#include "quantize/batches.h"

namespace gptq::quantization {

using backend::GptqOp;
using backend::LayerProgram;

namespace {

constexpr int64_t kSmall = 64 << 20;     // norms, angles, indices, scales of a set
constexpr int64_t kFloat = 4;            // bytes
constexpr int64_t kSmallestRows = 2048;  // of a batch: fewer do not occupy a GPU fully
constexpr double kPoolLoss = 1.05;

int64_t square(int64_t k) { return k * k * kFloat; }

// A linear set, over all layers that run its program.
struct SetCount {
  int64_t n = 0, widest = 0, k = 0;     // outputs of all linears and of the widest, inputs
  int64_t stored_bits = 0;              // of a weight on the device after quantizing, maximum
  bool sorted = false, solved = false;  // true if any layer's set is
};

struct ProgramCount {
  const LayerProgram* program = nullptr;
  std::vector<SetCount> sets;
};

class Counter {
 public:
  explicit Counter(const MemoryProblem& problem) : p_(problem), a_(problem.architecture) {
    for (const LayerProgram& program : a_.programs) {
      programs_.push_back({&program, std::vector<SetCount>(program.linear_sets.size())});
      for (const backend::LinearSet& set : program.linear_sets)
        widest_input_ = std::max(widest_input_, set.in_features());
      int64_t kept = 0;
      for (int b = 0; b < program.kept_buffers; ++b) kept += program.buffers[static_cast<size_t>(b)];
      kept_columns_ = std::max(kept_columns_, kept);
    }
    for (size_t layer = 0; layer < p_.modules.layers.size(); ++layer) {
      ProgramCount& program = programs_[static_cast<size_t>(a_.program_of_layer[layer])];
      const std::vector<SetPlan>& plans = p_.modules.layers[layer].sets;
      for (size_t i = 0; i < plans.size(); ++i) add(program.sets[i], plans[i]);
    }
  }

  // Sets the plan's bytes.
  void count(MemoryPlan& plan) const {
    const std::vector<WindowBatch> batches = make_batches(p_.lengths, p_.held, p_.gptaq, plan.batch_rows);
    int64_t resident = 0, rows = 0;
    plan.stream_host_bytes = 0;
    for (size_t b = 0; b < batches.size(); ++b) {
      const int64_t streams = batches[b].paired ? 2 : 1;
      const int64_t batch_rows = batches[b].rows();
      const int64_t residual = streams * batch_rows * a_.hidden_size * kFloat;
      rows = std::max(rows, batch_rows);
      if (static_cast<int64_t>(b) < plan.resident_batches) {
        resident += residual;
        if (plan.keep_inputs) resident += streams * batch_rows * kept_columns_ * p_.activation_bytes;
      } else {
        plan.stream_host_bytes += residual;
      }
    }
    plan.hessian_host_bytes = plan.hessian_on_host ? square(widest_input_) : 0;
    const bool streamed = plan.resident_batches < static_cast<int64_t>(batches.size());
    int64_t most =
        a_.vocab_size * a_.hidden_size * p_.activation_bytes + rows * a_.hidden_size * kFloat * 2;  // embedding
    for (const ProgramCount& program : programs_) {
      most = std::max(most, p_.true_sequential ? sequential_bytes(program, plan, rows, streamed)
                                               : unquantized_bytes(program, plan, rows, streamed));
    }
    plan.device_bytes = resident + most + kSmall;
  }

 private:
  void add(SetCount& count, const SetPlan& plan) const {
    count.n = plan.set.out_features();
    count.k = plan.set.in_features();
    for (const backend::LinearSpec& linear : plan.set.linears)
      count.widest = std::max(count.widest, linear.out_features);
    const auto& grid = plan.grid;
    count.solved |= grid.has_value();
    count.sorted |= grid && grid->desc_act;
    // Including scale and zero of each group of columns.
    const int64_t bits =
        grid ? grid->bits + 32 / GroupSize(grid->group_size).columns(count.k) + 1 : 8 * p_.activation_bytes;
    count.stored_bits = std::max(count.stored_bits, bits);
  }

  static int64_t weight_bytes(const SetCount& set) { return set.n * set.k * set.stored_bits / 8; }

  int64_t sequential_bytes(const ProgramCount& program, const MemoryPlan& plan, int64_t rows, bool streamed) const {
    const int sets = static_cast<int>(program.sets.size());
    int64_t most = 0;
    for (int set = 0; set < sets; ++set) {
      const LayerProgram& steps = *program.program;
      const int first = plan.keep_inputs ? set : steps.first_set_from(steps.restart_before(set));
      for (const int64_t streams : {1, 2}) {
        if (streams == 2 && !p_.gptaq) continue;
        most = std::max(most, pass_bytes(program, plan, first, set, streams, rows, streamed) +
                                  observing_bytes(program.sets[static_cast<size_t>(set)], streams, rows));
        // A layer that an earlier run finished.
        most = std::max(most, pass_bytes(program, plan, 0, sets - 1, streams, rows, streamed));
      }
      most = std::max(
          most, earlier_bytes(program, plan, first, set) + solve_bytes(plan, program.sets[static_cast<size_t>(set)]));
    }
    return most;
  }

  int64_t unquantized_bytes(const ProgramCount& program, const MemoryPlan& plan, int64_t rows, bool streamed) const {
    int64_t hessians = 0, weights = 0, most = 0;
    for (const SetCount& set : program.sets) {
      hessians += square(set.k);
      weights += set.n * set.k * p_.activation_bytes;
    }
    const int64_t copy = rows * a_.hidden_size * kFloat;
    for (int set = 0; set < static_cast<int>(program.sets.size()); ++set) {
      most = std::max(most, hessians + weights + copy + pass_bytes(program, plan, 0, set, 1, rows, streamed));
      most = std::max(most, hessians + solve_bytes(plan, program.sets[static_cast<size_t>(set)]));
    }
    return most;
  }

  // A pass over the batches through the sets [first, last] and the steps up to the following set: batches of the
  // streams, the buffers of the slots, and the weights, with the dense form of one of them.
  int64_t pass_bytes(const ProgramCount& program, const MemoryPlan& plan, int first, int last, int64_t streams,
                     int64_t rows, bool streamed) const {
    const int64_t act = p_.activation_bytes;
    int64_t bytes = streamed ? 2 * streams * rows * a_.hidden_size * kFloat : 0;
    int64_t dense = 0, sorted = 0;
    for (int s = first; s <= last; ++s) {
      const SetCount& set = program.sets[static_cast<size_t>(s)];
      if (set.sorted) sorted = std::max(sorted, rows * set.k * act);
      dense = std::max(dense, set.widest * set.k * act);
      bytes += weight_bytes(set);
      if (streams == 2) bytes += set.n * set.k * act;
    }
    const auto [kept, scratch] = slot_columns(*program.program, first, last);
    return bytes + sorted + dense + scratch * rows * act + (plan.keep_inputs ? 0 : streams * kept * rows * act);
  }

  // Columns of the kept buffers and of the scratch buffers that the steps of such a pass use.
  static std::pair<int64_t, int64_t> slot_columns(const LayerProgram& program, int first, int last) {
    const int begin = first == 0 ? 0 : program.step_of(first);
    const int sets = static_cast<int>(program.linear_sets.size());
    const int end = last + 1 < sets ? program.step_of(last + 1) : program.end();
    std::vector<int64_t> columns(program.buffers.size());
    for (int i = begin; i < end; ++i) {
      const backend::Access access = backend::access_of(program, program.steps[static_cast<size_t>(i)]);
      for (const auto* list : {&access.reads, &access.writes}) {
        for (const backend::Columns& c : *list) {
          const backend::Slot& slot = program.slots[static_cast<size_t>(c.slot)];
          if (slot.buffer < 0) continue;
          int64_t& most = columns[static_cast<size_t>(slot.buffer)];
          most = std::max(most, slot.columns);
        }
      }
    }
    const auto split = columns.begin() + program.kept_buffers;
    return {std::accumulate(columns.begin(), split, int64_t{0}), std::accumulate(split, columns.end(), int64_t{0})};
  }

  // The sums accumulated in such a pass. Those of both streams come first; then a copy of the Hessian is kept.
  int64_t observing_bytes(const SetCount& set, int64_t streams, int64_t rows) const {
    if (streams == 2) return 2 * square(set.k) + rows * set.k * p_.activation_bytes;
    return (p_.gptaq ? 3 : 1) * square(set.k);
  }

  // Weights of the preceding sets, which the passes up to `set` recompute.
  static int64_t earlier_bytes(const ProgramCount& program, const MemoryPlan& plan, int first, int set) {
    int64_t bytes = 0;
    for (int s = first; !plan.keep_inputs && s < set; ++s) bytes += weight_bytes(program.sets[static_cast<size_t>(s)]);
    return bytes;
  }

  int64_t solve_bytes(const MemoryPlan& plan, const SetCount& set) const {
    const int64_t n = set.n, k = set.k, weights = n * k * kFloat;
    if (!set.solved) return n * k * p_.activation_bytes;
    const auto scratch = [&](GptqOp op) { return p_.scratch_bytes ? p_.scratch_bytes(op, n, k) : 0; };
    const int64_t forms = square(k) + weights + scratch(GptqOp::kRowQuadraticForms);
    // H and the factor, weights in natural and in processing order, codes.
    const int64_t columns = 2 * square(k) + 2 * weights + n * k + scratch(GptqOp::kSolveColumns);
    if (!p_.gptaq) return std::max(forms, columns);
    const int64_t target = (plan.hessian_on_host ? 2 : 3) * square(k) + weights + scratch(GptqOp::kGptaqTarget);
    return std::max({forms + 2 * square(k), columns, target});
  }

  const MemoryProblem& p_;
  const model::Architecture& a_;
  std::vector<ProgramCount> programs_;
  int64_t widest_input_ = 0, kept_columns_ = 0;
};

// The number of longest windows that fit in `rows`: at least one, at most all.
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
    plan.keep_inputs = problem.true_sequential;  // otherwise inputs are used only once
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

}  // namespace gptq::quantization
