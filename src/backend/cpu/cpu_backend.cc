// The CPU backend: splits each operation into tasks for the thread pool.
//
// OpenBLAS runs single-threaded in each task. Task sizes do not depend on the number of threads, so neither do the
// results, to the last bit.
#include "backend/cpu/cpu_backend.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <limits>
#include <new>

#include <gptq/error.h>

#include "backend/cpu/attention.h"
#include "backend/cpu/blas.h"
#include "backend/cpu/cpu_limits.h"
#include "backend/cpu/cpu_weight.h"
#include "backend/cpu/gptq.h"
#include "backend/cpu/kernels.h"
#include "backend/cpu/linear.h"
#include "backend/cpu/packed/packed_matrix.h"
#include "backend/cpu/reference.h"
#include "core/threads.h"

namespace gptq::backend {

namespace {

constexpr int64_t kElementwiseRows = 32;  // rows per task of cheap operations

class CpuBackend final : public Backend {
 public:
  CpuBackend(int threads, CpuPrecision precision)
      : precision_(precision), pool_(threads), linear_(pool_, precision.int8_prompts) {
    reserve_blas_buffers(pool_.size());
    capabilities_.cross_of_rows = true;
  }

  Device device() const override { return {}; }
  const Capabilities& capabilities() const override { return capabilities_; }
  Limits measure_limits() override { return measure_cpu(pool_); }
  void synchronize() override {}  // all operations are synchronous

  DeviceMemory memory() override { return {std::numeric_limits<int64_t>::max(), 0}; }
  Matrix allocate(DType dtype, int64_t rows, int64_t cols) override {
    const size_t bytes = static_cast<size_t>(rows * cols * size_of(dtype));
    void* memory = ::operator new (std::max<size_t>(bytes, 64), std::align_val_t{64}, std::nothrow);
    if (memory == nullptr) {
      throw Error(ErrorKind::kOutOfMemory, "allocating " + std::to_string(bytes) +
                                               " bytes for activations failed: out of host memory; use fewer "
                                               "--samples, a shorter --seqlen or a shorter context");
    }
    return {dtype, rows, cols, Matrix::Memory(static_cast<std::byte*>(memory), [](std::byte* p) {
              ::operator delete (p, std::align_val_t{64});
            })};
  }

  void upload(MatrixView to, std::span<const float> from) override {
    CHECK(static_cast<int64_t>(from.size()) == to.rows * to.cols);
    for (int64_t i = 0; i < to.rows; ++i) {
      const float* row = from.data() + i * to.cols;
      if (to.dtype == DType::kU8) {
        std::transform(row, row + to.cols, to.row<uint8_t>(i), [](float v) { return static_cast<uint8_t>(v); });
      } else {
        std::copy_n(row, to.cols, to.row(i));
      }
    }
  }

  void upload(MatrixView to, std::span<const int32_t> from) override {
    CHECK(to.dtype == DType::kI32 && static_cast<int64_t>(from.size()) == to.rows * to.cols && to.stride == to.cols);
    std::memcpy(to.data, from.data(), from.size_bytes());
  }

  std::vector<float> download(MatrixView from) override {
    std::vector<float> values(static_cast<size_t>(from.rows * from.cols));
    for (int64_t i = 0; i < from.rows; ++i) {
      float* row = values.data() + i * from.cols;
      if (from.dtype == DType::kU8) {
        std::copy_n(from.row<uint8_t>(i), from.cols, row);
      } else {
        std::copy_n(from.row(i), from.cols, row);
      }
    }
    return values;
  }

  void copy(MatrixView to, MatrixView from) override {
    CHECK(to.rows == from.rows && to.cols == from.cols);
    for_rows(to.rows, [&](int64_t i) { std::copy_n(from.row(i), from.cols, to.row(i)); });
  }

  Matrix allocate_host(DType dtype, int64_t rows, int64_t cols) override { return allocate(dtype, rows, cols); }
  void fetch(MatrixView to, MatrixView host) override { copy(to, host); }
  void store(MatrixView host, MatrixView from) override { copy(host, from); }
  void await_fetches() override {}  // transfers are synchronous

  std::unique_ptr<Weight> load_weight(const TensorView& weight, const TensorView* bias) override {
    return std::make_unique<DenseWeight>(weight, bias);
  }
  std::unique_ptr<Weight> load_weight(const PackedWeight& weight) override {
    return std::make_unique<packed::PackedMatrix>(weight, pool_);
  }
  std::unique_ptr<Weight> load_exact(const PackedWeight& weight) override {
    return std::make_unique<ExpandedWeight>(weight, pool_);
  }
  std::unique_ptr<Weight> load_head(const TensorView& weight, const TensorView* bias) override {
    if (!precision_.int8_head || weight.shape[1] < packed::PackedMatrix::kMinIntegerInputs) {
      return load_weight(weight, bias);
    }
    return std::make_unique<packed::PackedMatrix>(weight, bias, pool_);
  }

  void embed(MatrixView out, std::span<const int> ids, const Weight& table) override {
    const auto& rows = static_cast<const CpuWeight&>(table);
    for (int64_t t = 0; t < out.rows; ++t) {
      const int id = ids[static_cast<size_t>(t)];
      CHECK(id >= 0 && id < rows.out_features());
      rows.row(id, out.row(t));
    }
  }

  void norm(MatrixView out, MatrixView x, NormKind kind, MatrixView weight, MatrixView bias, float eps) override {
    const int64_t width = weight.cols;
    CHECK(x.cols % width == 0 && (bias.data == nullptr || bias.cols == width));
    for_rows(x.rows, [&](int64_t t) {
      for (int64_t start = 0; start < x.cols; start += width) {
        float* to = out.row(t) + start;
        if (kind == NormKind::kRms) {
          best_kernels().rms_norm(to, x.row(t) + start, weight.row(0), width, eps);
        } else {
          best_kernels().layer_norm(to, x.row(t) + start, weight.row(0), width, eps);
        }
        if (bias.data != nullptr) best_kernels().add(to, bias.row(0), width);
      }
    });
  }

  void linear(MatrixView y, MatrixView x, std::span<const Weight* const> weights) override {
    linear_.run(y, x, weights);
  }

  void rope(MatrixView x, const RopeArgs& args, const BatchRows& rows) override {
    const int64_t pairs = args.angles.cos.cols;
    CHECK(2 * pairs <= args.head_dim && x.rows == rows.rows());
    const int64_t step = args.interleaved ? 2 : 1, partner = args.interleaved ? 1 : pairs;
    const int32_t* positions = rows.positions.row<int32_t>(0);
    for_rows(x.rows, [&](int64_t t) {
      const float* c = args.angles.cos.row(positions[t]);
      const float* s = args.angles.sin.row(positions[t]);
      for (int64_t start = 0; start < x.cols; start += args.head_dim) {
        float* a = x.row(t) + start;
        float* b = a + partner;
        for (int64_t i = 0; i < pairs; ++i) {
          const float first = a[i * step];
          a[i * step] = first * c[i] - b[i * step] * s[i];
          b[i * step] = b[i * step] * c[i] + first * s[i];
        }
      }
    });
  }

  void append(MatrixView cache, MatrixView x, const BatchRows& rows) override {
    for (int64_t s = 0; s < rows.sequences(); ++s) {
      for (int64_t i = 0; i < rows.rows_of(s); ++i) {
        std::copy_n(x.row(rows.begin(s) + i), x.cols, cache.row(cache_row(rows.pages, s, rows.past_of(s) + i)));
      }
    }
  }

  void attention(MatrixView out, const AttentionArgs& args, const BatchRows& rows) override {
    cpu_attention(out, args, rows, pool_);
  }

  void activate(MatrixView out, MatrixView x, Activation kind, bool gated) override {
    CHECK(x.cols == (gated ? 2 : 1) * out.cols);
    for_rows(out.rows, [&](int64_t t) {
      const float* up = gated ? x.row(t) + out.cols : nullptr;
      if (kind == Activation::kSilu && gated) {
        best_kernels().silu_multiply(out.row(t), x.row(t), up, out.cols);
      } else if (kind == Activation::kGeluTanh) {
        best_kernels().gelu_tanh(out.row(t), x.row(t), up, out.cols);
      } else {
        for (int64_t i = 0; i < out.cols; ++i) {
          out.row(t)[i] = static_cast<float>(reference::activation(kind, x.row(t)[i])) * (gated ? up[i] : 1.0f);
        }
      }
    });
  }

  void add(MatrixView x, MatrixView y) override {
    CHECK(x.rows == y.rows && x.cols == y.cols);
    for_rows(x.rows, [&](int64_t t) { best_kernels().add(x.row(t), y.row(t), x.cols); });
  }

  void scale(MatrixView x, float factor) override {
    for_rows(x.rows, [&](int64_t t) { best_kernels().scale(x.row(t), x.cols, factor); });
  }

  void soft_cap(MatrixView x, float cap) override {
    for_rows(x.rows, [&](int64_t t) { best_kernels().soft_cap(x.row(t), x.cols, 1.0f, cap); });
  }

  void gather_rows(MatrixView out, MatrixView x, std::span<const int> rows) override {
    CHECK(out.rows == static_cast<int64_t>(rows.size()) && out.cols == x.cols);
    for (int64_t i = 0; i < out.rows; ++i) {
      std::copy_n(x.row(rows[static_cast<size_t>(i)]), x.cols, out.row(i));
    }
  }

  std::vector<float> cross_entropy(MatrixView logits, std::span<const int> targets) override {
    std::vector<float> losses(static_cast<size_t>(logits.rows));
    for_rows(logits.rows, [&](int64_t t) {
      thread_local std::vector<float> row;
      row.assign(logits.row(t), logits.row(t) + logits.cols);
      const float highest = *std::max_element(row.begin(), row.end());
      const float target = row[static_cast<size_t>(targets[static_cast<size_t>(t)])];
      const float total = best_kernels().softmax_exp(row.data(), logits.cols, 1.0f);
      losses[static_cast<size_t>(t)] = std::log(total) + highest - target;
    });
    return losses;
  }

  void find_non_finite(MatrixView flag, MatrixView x) override {
    // All exponent bits set means infinity or NaN; an integer test is safe with any floating-point optimisation.
    std::atomic<bool> found = false;
    for_rows(x.rows, [&](int64_t t) {
      uint32_t bad = 0;
      for (int64_t i = 0; i < x.cols; ++i) {
        uint32_t bits;
        std::memcpy(&bits, x.row(t) + i, sizeof(bits));
        bad |= (bits & 0x7F800000u) == 0x7F800000u;
      }
      if (bad) found = true;
    });
    if (found) *flag.row(0) = 1.0f;
  }

  bool all_finite(const TensorView& stored) override { return gptq::all_finite(stored, pool_); }
  std::unique_ptr<DecodeRunner> make_decode_runner(const DecodeModel&) override { return nullptr; }

  void clear(MatrixView x) override {
    for_rows(x.rows, [&](int64_t i) { std::fill_n(x.row(i), x.cols, 0.0f); });
  }
  int64_t scratch_bytes(GptqOp op, int64_t n, int64_t k) const override { return cpu_gptq::scratch_bytes(op, n, k); }
  void load(MatrixView to, const TensorView& from) override { cpu_gptq::load(to, from, pool_); }
  void gather_columns(MatrixView to, MatrixView from, std::span<const int> order) override {
    cpu_gptq::gather_columns(to, from, order, pool_);
  }
  void subtract_columns(MatrixView to, MatrixView from, std::span<const int> order) override {
    cpu_gptq::subtract_columns(to, from, order, pool_);
  }
  void accumulate_hessian(MatrixView h, MatrixView x) override { cpu_gptq::accumulate_hessian(h, x, pool_); }
  void accumulate_cross(MatrixView d, MatrixView target, MatrixView x) override {
    cpu_gptq::accumulate_cross(d, target, x, pool_);
  }
  void accumulate_cross_of_rows(MatrixView p, MatrixView w, MatrixView target, MatrixView x) override {
    cpu_gptq::accumulate_cross_of_rows(p, w, target, x, pool_);
  }
  std::vector<float> diagonal(MatrixView h) override {
    std::vector<float> values;
    for (int64_t i = 0; i < h.rows; ++i) values.push_back(h.row(i)[i]);
    return values;
  }
  bool factorize(MatrixView s, MatrixView h, std::span<const int> order, float damping, bool precise) override {
    return cpu_gptq::factorize(s, h, order, damping, precise, pool_);
  }
  bool solve_gptaq_target(MatrixView w, MatrixView d, MatrixView h, float damping, float alpha) override {
    return cpu_gptq::solve_gptaq_target(w, d, h, damping, alpha, pool_);
  }
  void solve_columns(const SolveArgs& args) override { cpu_gptq::solve_columns(args, pool_); }
  std::vector<double> row_quadratic_forms(MatrixView w, MatrixView h) override {
    return cpu_gptq::row_quadratic_forms(w, h, pool_);
  }
  Tensor pack_codes(MatrixView codes, std::span<const int> order, int bits, int64_t first, int64_t count) override {
    return cpu_gptq::pack_codes(codes, order, bits, first, count, pool_);
  }

 private:
  void for_rows(int64_t rows, const std::function<void(int64_t)>& body) {
    const int64_t tasks = (rows + kElementwiseRows - 1) / kElementwiseRows;
    pool_.parallel_for(tasks, [&](int64_t task) {
      for (int64_t t = task * kElementwiseRows; t < std::min(rows, (task + 1) * kElementwiseRows); ++t) body(t);
    });
  }

  Capabilities capabilities_;
  CpuPrecision precision_;
  ThreadPool pool_;
  CpuLinear linear_;
};

}  // namespace

std::unique_ptr<Backend> make_cpu_backend(int threads, CpuPrecision precision) {
  return std::make_unique<CpuBackend>(threads, precision);
}

}  // namespace gptq::backend
