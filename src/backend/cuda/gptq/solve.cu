// The GPTQ column loop over all columns, without the inverse of the Hessian.
//
// With H = Sᵀ·S, S lower triangular, original weights W, results Q and D = W − Q of the finished columns, GPTQ's
// updates from all columns before a block J change it to
//   X_J = W_J + T_J·S_JJ⁻ᵀ,   T_J = D[:, <J]·S[J, <J]ᵀ
// and U_JJ = S_JJ⁻ᵀ is the block of the paper's factor for the column loop inside J. (Explanation: Chen et al., "The
// geometry of LLM quantization: GPTQ as Babai's nearest plane algorithm", arXiv 2507.18553.)
//
//   work    T is computed at two levels: after each 1024 columns (an outer block), one large tensor-core product with
//           fp32 accuracy adds their contribution to all later columns; inside an outer block each block of 128 columns
//           adds those of the previous blocks. Then one kernel runs the block's column loop (column_loop.cu)
//   memory  T and D of a strip of rows, which are independent: at most about 1 GiB, and 12·1024·K bytes for S
//   bytes   T is read and written for each outer block: K / 1024 times
//   limits  rows in multiples of 16; fp32 throughout
#include <algorithm>
#include <optional>

#include "backend/cuda/gptq/gptq.h"
#include "backend/cuda/gptq/solve_kernels.h"
#include "backend/cuda/gptq/split_product.h"
#include "backend/cuda/runtime/launch.h"

namespace gptq::backend::cuda {

namespace {

constexpr int64_t kBlock = kSolveColumns;

// c = alpha · a·b + beta · c, `transposed`: a·bᵀ
void multiply(Context& context, MatrixView c, double alpha, MatrixView a, MatrixView b, bool transposed, double beta) {
  Blas::Product product;
  product.m = c.rows;
  product.n = c.cols;
  product.k = a.cols;
  product.alpha = alpha;
  product.beta = beta;
  product.a = {a.data, DType::kF32, a.stride, false};
  product.b = {b.data, DType::kF32, b.stride, transposed};
  product.c = c.data;
  product.c_stride = c.stride;
  context.blas().multiply(product);
}

// The inverses of all diagonal blocks                                                       [blocks, 128, 128]
Buffer inverse_blocks(Context& context, const SolvePlan& plan, MatrixView s) {
  std::vector<BlockRange> ranges;
  for (const SolveBlock& block : plan.blocks) ranges.push_back({block.begin, static_cast<int>(block.size)});
  Buffer u(context, ranges.size() * static_cast<size_t>(kBlock * kBlock) * sizeof(float));
  const Buffer device_ranges = to_device(context, std::span<const BlockRange>(ranges));
  invert_blocks(context, u.as<float>(), pointer(s), s.stride, device_ranges.as<BlockRange>(),
                static_cast<int>(ranges.size()));
  return u;
}

// One strip of rows from the first column to the last.
class Strip {
 public:
  Strip(Context& context, const SolveArgs& args, const SolvePlan& plan, MatrixView inverses, const Buffer& group,
        int64_t first_row, int64_t rows)
      : context_(context),
        plan_(plan),
        s_(args.factor),
        inverses_(inverses),
        group_(group.as<int32_t>()),
        group_on_host_(args.group),
        rules_(grid_rules(args.grid)),
        weights_(args.weights.row_range(first_row, rows)),
        codes_(args.codes.column_range(first_row, rows)),
        grids_{pointer(args.scales) + first_row, pointer(args.zeros) + first_row, args.scales.stride,
               args.zeros.stride},
        t_memory_(context, bytes(rows, weights_.cols)),
        d_memory_(context, bytes(rows, kOuterColumns)),
        shift_memory_(context, bytes(rows, kBlock)),
        group_memory_(context, bytes(rows, plan.widest_search)),
        t_(f32_view(t_memory_, rows, weights_.cols)),
        d_(f32_view(d_memory_, rows, kOuterColumns)),
        shift_(f32_view(shift_memory_, rows, kBlock)) {}

  // Device memory of one row, with the split operands of an outer product.
  static int64_t row_bytes(const SolvePlan& plan, int64_t columns) {
    return (columns + 4 * kOuterColumns + kBlock + plan.widest_search) * int64_t{sizeof(float)};
  }

  void run() {
    clear(context_, t_);
    for (size_t i = 0; i < plan_.blocks.size(); ++i) {
      const SolveBlock& block = plan_.blocks[i];
      if (block.group_size > 0) search_group(i);
      run_block(i);
      const int64_t end = block.begin + block.size;
      if (i + 1 < plan_.blocks.size() && plan_.blocks[i + 1].outer == end) update_later_columns(block.outer, end);
    }
  }

 private:
  static size_t bytes(int64_t rows, int64_t columns) { return static_cast<size_t>(rows * columns) * sizeof(float); }

  MatrixView inverse(size_t block) const {
    return inverses_.row_range(static_cast<int64_t>(block) * kBlock, kBlock)
        .column_range(0, plan_.blocks[block].size)
        .row_range(0, plan_.blocks[block].size);
  }

  // Adds to T[:, begin … begin + size) the contributions of columns [from, to) of the outer block starting at `outer`.
  void collect(int64_t begin, int64_t size, int64_t outer, int64_t from, int64_t to) {
    if (from == to) return;
    multiply(context_, t_.column_range(begin, size), 1, d_.column_range(from - outer, to - from),
             s_.row_range(begin, size).column_range(from, to - from), true, 1);
  }

  StripBlock strip_block(int64_t begin, int64_t size, MatrixView shift, MatrixView u) const {
    StripBlock block{};
    block.rows = weights_.rows;
    block.columns = static_cast<int>(size);
    block.weights = pointer(weights_) + begin;
    block.weights_stride = weights_.stride;
    block.shift = pointer(shift);
    block.shift_stride = shift.stride;
    block.u = pointer(u);
    block.u_stride = u.stride;
    block.s_diagonal = pointer(s_) + begin * (s_.stride + 1);
    block.s_step = s_.stride + 1;
    return block;
  }

  // Finds the grids of the group that starts with block `first`; all its columns must be up to date.
  void search_group(size_t first) {
    const SolveBlock& start = plan_.blocks[first];
    const int64_t begin = start.begin, size = start.group_size;
    collect(begin, size, start.outer, start.outer, begin);
    MatrixView shift;  // nothing before the first column
    if (begin > 0) {   // y·S_GGᵀ = T_G, block after block
      shift = f32_view(group_memory_, weights_.rows, size);
      copy_matrix(context_, shift, t_.column_range(begin, size));
      for (size_t i = first; i < plan_.blocks.size() && plan_.blocks[i].begin < begin + size; ++i) {
        const SolveBlock& block = plan_.blocks[i];
        const int64_t done = block.begin - begin;
        const MatrixView y = shift.column_range(done, block.size), solved = shift_.column_range(0, block.size);
        if (done > 0) {
          multiply(context_, y, -1, shift.column_range(0, done),
                   s_.row_range(block.begin, block.size).column_range(begin, done), true, 1);
        }
        multiply(context_, solved, 1, y, inverse(i), false, 0);
        copy_matrix(context_, y, solved);
      }
    }
    const int32_t group = group_on_host_[static_cast<size_t>(begin)];
    const std::optional<Buffer> merged =
        size > kBlock && size <= kFeedbackColumns ? std::optional(merge_inverses(first, size - kBlock)) : std::nullopt;
    const MatrixView u = merged ? f32_view(*merged, kFeedbackColumns, kFeedbackColumns) : inverse(first);
    find_grids(context_, strip_block(begin, size, shift, u), rules_, grids_.scales + group * grids_.scales_stride,
               grids_.zeros + group * grids_.zeros_stride);
  }

  // U of blocks `first` (128 columns) and the next (`size` columns) together: [U_1  −U_1·S_21ᵀ·U_2; 0  U_2]
  Buffer merge_inverses(size_t first, int64_t size) {
    Buffer memory(context_, bytes(kFeedbackColumns, kFeedbackColumns));
    const Buffer product_memory(context_, bytes(kBlock, size));
    const MatrixView u = f32_view(memory, kFeedbackColumns, kFeedbackColumns);
    const MatrixView product = f32_view(product_memory, kBlock, size);
    const int64_t begin = plan_.blocks[first].begin, middle = begin + kBlock;
    copy_matrix(context_, u.row_range(0, kBlock).column_range(0, kBlock), inverse(first));
    copy_matrix(context_, u.row_range(kBlock, size).column_range(kBlock, size), inverse(first + 1));
    multiply(context_, product, 1, inverse(first), s_.row_range(middle, size).column_range(begin, kBlock), true, 0);
    multiply(context_, u.row_range(0, kBlock).column_range(kBlock, size), -1, product, inverse(first + 1), false, 0);
    return memory;
  }

  void run_block(size_t index) {
    const SolveBlock& block = plan_.blocks[index];
    collect(block.begin, block.size, block.outer, block.updated, block.begin);
    const MatrixView shift = shift_.column_range(0, block.size);
    multiply(context_, shift, 1, t_.column_range(block.begin, block.size), inverse(index), false, 0);
    ColumnLoop loop{};
    loop.block = strip_block(block.begin, block.size, shift, inverse(index));
    loop.rules = rules_;
    loop.search = plan_.search_in_loop;
    loop.group = group_ + block.begin;
    loop.grids = grids_;
    loop.differences = pointer(d_) + block.begin - block.outer;
    loop.differences_stride = d_.stride;
    loop.codes = pointer<uint8_t>(codes_) + block.begin * codes_.stride;
    loop.codes_stride = codes_.stride;
    run_column_loop(context_, loop);
  }

  // Adds to T[:, end …) the contributions of the outer block [begin, end).
  void update_later_columns(int64_t begin, int64_t end) {
    const int64_t later = weights_.cols - end;
    const SplitOperand left(context_, d_.column_range(0, end - begin), Side::kLeft, TermAxis::kColumns);
    const SplitOperand right(context_, s_.row_range(end, later).column_range(begin, end - begin), Side::kRight,
                             TermAxis::kColumns);
    multiply_add(context_, t_.column_range(end, later), 1, left, 0, right, 0);
  }

  Context& context_;
  const SolvePlan& plan_;
  MatrixView s_, inverses_;  // [K, K], [blocks · 128, 128]
  const int32_t* group_;     // [K] on the device
  std::span<const int32_t> group_on_host_;
  GridRules rules_;
  MatrixView weights_, codes_;  // [N, K], [K, N]
  GridMemory grids_;
  Buffer t_memory_, d_memory_, shift_memory_, group_memory_;
  MatrixView t_, d_, shift_;  // [N, K], [N, 1024] of the current outer block, [N, 128] of the current block
};

}  // namespace

void solve_columns(Context& context, const SolveArgs& args) {
  const int64_t n = args.weights.rows, k = args.weights.cols;
  CHECK(n % kSolveRows == 0 && static_cast<int64_t>(args.group.size()) == k && args.codes.rows == k &&
        args.codes.cols == n && args.scales.cols == n && args.zeros.cols == n);
  const SolvePlan plan = plan_solve(args.group, args.given_scales);
  const Buffer u = inverse_blocks(context, plan, args.factor), group = to_device(context, args.group);
  const MatrixView inverses = f32_view(u, static_cast<int64_t>(plan.blocks.size()) * kBlock, kBlock);
  const int64_t fitting = kStripBytes / Strip::row_bytes(plan, k) / kSolveRows * kSolveRows;
  const int64_t strip = std::clamp<int64_t>(fitting, kSolveRows, n);
  for (int64_t first = 0; first < n; first += strip) {
    Strip(context, args, plan, inverses, group, first, std::min(strip, n - first)).run();
  }
}

}  // namespace gptq::backend::cuda
