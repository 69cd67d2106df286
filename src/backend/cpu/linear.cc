// Dense weights: dot products for few rows, SGEMM for many. Expanded weights: SGEMM. Packed weights: integer products of the
// codes for any number of rows (packed/kernels.h).
#include "backend/cpu/linear.h"

#include <algorithm>

#include "backend/cpu/cpu_weight.h"
#include "backend/cpu/kernels.h"
#include "backend/cpu/packed/packed_matrix.h"

namespace gptq::backend {

namespace {

constexpr int64_t kDenseRowsPerTask = 512;
constexpr int64_t kInputBytesPerTask = 256 << 10;  // rows of activations that stay in the second-level cache
constexpr int64_t kTilesPerTask = 8;               // with many rows

int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Dot products with expanded rows, for weights with few inputs.
void multiply_rows(MatrixView y, MatrixView x, const CpuWeight& weight, int64_t begin, int64_t end) {
  std::vector<float> row(static_cast<size_t>(x.cols));
  for (int64_t n = begin; n < end; ++n) {
    weight.row(n, row.data());
    for (int64_t m = 0; m < x.rows; ++m) y.row(m)[n] = best_kernels().dot_f32(row.data(), x.row(m), x.cols);
  }
}

}  // namespace

struct CpuLinear::Part {
  const CpuWeight* weight;
  const DenseWeight* dense;  // one of the three
  const ExpandedWeight* expanded;
  const packed::PackedMatrix* packed;
  MatrixView y, x;
  size_t input = 0;  // in inputs_, of a packed weight
};

struct CpuLinear::Task {
  size_t part;
  int64_t row, rows, begin, end;  // columns of a dense weight, tiles of a packed one
};

std::vector<CpuLinear::Part> CpuLinear::divide(MatrixView y, MatrixView x, std::span<const Weight* const> weights) {
  std::vector<Part> parts;
  arranged_.clear();
  std::vector<const packed::InputOrder*> orders;
  int64_t column = 0;
  for (const Weight* weight : weights) {
    Part part{static_cast<const CpuWeight*>(weight),          dynamic_cast<const DenseWeight*>(weight),
              dynamic_cast<const ExpandedWeight*>(weight),    dynamic_cast<const packed::PackedMatrix*>(weight),
              y.column_range(column, weight->out_features()), x};
    CHECK(weight->in_features() == x.cols);
    column += weight->out_features();
    if (part.expanded != nullptr) part.x = part.expanded->arrange(x, arranged_.emplace_back());
    if (part.packed != nullptr) {
      const auto same = [&](const packed::InputOrder* order) { return *order == part.packed->order(); };
      const auto found = std::find_if(orders.begin(), orders.end(), same);
      part.input = static_cast<size_t>(found - orders.begin());
      if (found == orders.end()) {
        orders.push_back(&part.packed->order());
        if (inputs_.size() < orders.size()) inputs_.emplace_back();
        inputs_[part.input].assign(x, *orders.back(), int8_prompts_ && x.rows > kExactRows ? 1 : 2, pool_);
      }
    }
    parts.push_back(part);
  }
  CHECK(column == y.cols && y.rows == x.rows);
  return parts;
}

// A decode step needs about two tasks per thread and weight, many rows need tasks whose data fits in the caches. The
// computation of each output does not depend on the division.
void CpuLinear::add_tasks(std::vector<Task>& tasks, size_t index, const Part& part, int64_t rows) const {
  int64_t row_step = rows, step = 0, end = part.weight->out_features();
  if (part.packed != nullptr) {
    end = part.packed->tiles();
    step = std::max<int64_t>(1, divide_up(end, 2 * pool_.size()));
    const int64_t cached = kInputBytesPerTask / (2 * part.packed->order().size());
    if (rows > cached) {
      row_step = std::max<int64_t>(24, cached / 24 * 24);
      step = std::min(step, kTilesPerTask);
    }
  } else if (part.expanded != nullptr) {
    row_step = kDenseRowsPerTask;
    step = ExpandedWeight::kColumns;
  } else if (rows <= DenseWeight::kMaxGemvRows) {
    step = std::max<int64_t>(1, divide_up(divide_up(end, 32), 2 * pool_.size())) * 32;
  } else {
    row_step = kDenseRowsPerTask;
    step = DenseWeight::kColumns;
  }
  for (int64_t row = 0; row < rows; row += row_step) {
    for (int64_t begin = 0; begin < end; begin += step) {
      tasks.push_back({index, row, std::min(row_step, rows - row), begin, std::min(end, begin + step)});
    }
  }
}

void CpuLinear::run(MatrixView y, MatrixView x, std::span<const Weight* const> weights) {
  const std::vector<Part> parts = divide(y, x, weights);
  std::vector<Task> tasks;
  for (size_t i = 0; i < parts.size(); ++i) add_tasks(tasks, i, parts[i], x.rows);
  pool_.parallel_for(static_cast<int64_t>(tasks.size()), [&](int64_t index) {
    const Task& task = tasks[static_cast<size_t>(index)];
    const Part& part = parts[task.part];
    const MatrixView out = part.y.row_range(task.row, task.rows), in = part.x.row_range(task.row, task.rows);
    int64_t begin = task.begin, end = task.end;
    if (part.packed != nullptr) {
      const packed::QuantizedRows& input = inputs_[part.input];
      const bool integers = x.cols >= packed::PackedMatrix::kMinIntegerInputs;
      if (integers) part.packed->multiply(out, input.from(task.row), input.planes(), begin, end);
      begin *= packed::kTileColumns;
      end = std::min(end * packed::kTileColumns, part.packed->out_features());
      if (!integers) multiply_rows(out, in, *part.packed, begin, end);
    } else if (part.expanded != nullptr) {
      part.expanded->gemm(out, in, begin, end);
    } else if (x.rows <= DenseWeight::kMaxGemvRows) {
      part.dense->gemv(out, in, begin, end);
    } else {
      part.dense->gemm(out, in, begin, end);
    }
    if (part.weight->bias().empty()) return;
    for (int64_t m = 0; m < out.rows; ++m) {
      best_kernels().add(out.row(m) + begin, part.weight->bias().data() + begin, end - begin);
    }
  });
}

}  // namespace gptq::backend
