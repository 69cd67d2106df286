// y = x · Wᵀ + b for weights that share an input: the division of the work into tasks.
#pragma once

#include <deque>
#include <span>
#include <vector>

#include "backend/cpu/packed/quantized_rows.h"
#include "backend/matrix.h"
#include "backend/model_ops.h"
#include "core/threads.h"

namespace gptq::backend {

// Results depend neither on the number of threads nor, for packed weights, on the other rows. Not thread-safe.
class CpuLinear {
 public:
  // int8_prompts: activations of 8 bits in steps of more than kExactRows rows.
  CpuLinear(ThreadPool& pool, bool int8_prompts) : pool_(pool), int8_prompts_(int8_prompts) {}
  void run(MatrixView y, MatrixView x, std::span<const Weight* const> weights);

 private:
  struct Task;
  struct Part;
  std::vector<Part> divide(MatrixView y, MatrixView x, std::span<const Weight* const> weights);
  void add_tasks(std::vector<Task>& tasks, size_t index, const Part& part, int64_t rows) const;

  static constexpr int64_t kExactRows = 8;

  ThreadPool& pool_;
  bool int8_prompts_;
  std::deque<std::vector<float>> arranged_;    // of one call: inputs in the order of expanded weights
  std::vector<packed::QuantizedRows> inputs_;  // of one call: one for each order of inputs among its weights
};

}  // namespace gptq::backend
