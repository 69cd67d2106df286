// The GPU backend: each operation calls the functions that launch its kernels.
#include "backend/cuda_backend.h"

#include <algorithm>
#include <optional>

#include <gptq/error.h>

#include "backend/cuda/attention/attend.h"
#include "backend/cuda/decode/cuda_graph_runner.h"
#include "backend/cuda/device/context.h"
#include "backend/cuda/device/transfers.h"
#include "backend/cuda/elementwise/operations.h"
#include "backend/cuda/gptq/gptq.h"
#include "backend/cuda/gptq/scratch.h"
#include "backend/cuda/linear/batch_linear.h"
#include "backend/cuda/linear/decode_linear.h"
#include "backend/cuda/linear/packed.h"
#include "backend/cuda/runtime/launch.h"

namespace gptq::backend {

namespace {

constexpr int64_t kBatchRows = 16384;  // tokens: every product of a 7B model occupies the GPU fully
constexpr int64_t kMaxLaunches = 4;    // of the batch kernel: for more, dequantizing packed weights is as fast
constexpr int kMinDriver = 13000;      // the CUDA version the runtime is built for

class CudaBackend final : public Backend {
 public:
  CudaBackend(int device, DType activations, int64_t max_bytes, int threads)
      : context_(device, max_bytes, threads), transfers_(context_), dtype_(activations) {
    capabilities_.activation_dtype = activations;
    capabilities_.prefill_rows = 8192;
    capabilities_.batch_rows = kBatchRows;
    capabilities_.own_memory = true;
    capabilities_.probe_copy_rows = 12288;
    capabilities_.probe_gemm = {4096, 8192, 8192, 8};
  }

  Device device() const override { return {Device::Kind::kCuda, context_.device()}; }
  const Capabilities& capabilities() const override { return capabilities_; }
  void synchronize() override {
    context_.synchronize();
    transfers_.synchronize();
  }

  DeviceMemory memory() override { return context_.memory(); }
  Matrix allocate(DType dtype, int64_t rows, int64_t cols) override {
    const size_t bytes = static_cast<size_t>(rows * cols * size_of(dtype));
    auto* memory = static_cast<std::byte*>(context_.allocate(bytes));
    return {dtype, rows, cols, Matrix::Memory(memory, [this, bytes](std::byte* p) {
              transfers_.release();
              context_.free(p, bytes);
            })};
  }

  void upload(MatrixView to, std::span<const float> from) override {
    CHECK(static_cast<int64_t>(from.size()) == to.rows * to.cols);
    cuda::convert_from_float(context_, to, cuda::to_device(context_, from).as<float>());
  }
  void upload(MatrixView to, std::span<const int32_t> from) override {
    CHECK(to.dtype == DType::kI32 && static_cast<int64_t>(from.size()) == to.rows * to.cols && to.stride == to.cols);
    GPTQ_CUDA(cudaMemcpyAsync(to.data, from.data(), from.size_bytes(), cudaMemcpyHostToDevice, context_.stream()));
  }
  std::vector<float> download(MatrixView from) override {
    std::vector<float> values(static_cast<size_t>(from.rows * from.cols));
    const cuda::Buffer wide(context_, values.size() * sizeof(float));
    cuda::convert_to_float(context_, wide.as<float>(), from);
    read_back(values.data(), wide, values.size() * sizeof(float));
    return values;
  }
  void copy(MatrixView to, MatrixView from) override {
    CHECK(to.dtype == from.dtype && to.rows == from.rows && to.cols == from.cols);
    if (to.rows == 0 || to.cols == 0) return;
    const size_t element = static_cast<size_t>(size_of(to.dtype));
    if (to.stride == to.cols && from.stride == from.cols) {  // several times as fast as two-dimensional copies
      GPTQ_CUDA(cudaMemcpyAsync(to.data, from.data, static_cast<size_t>(to.rows * to.cols) * element,
                                cudaMemcpyDeviceToDevice, context_.stream()));
      return;
    }
    GPTQ_CUDA(cudaMemcpy2DAsync(to.data, static_cast<size_t>(to.stride) * element, from.data,
                                static_cast<size_t>(from.stride) * element, static_cast<size_t>(to.cols) * element,
                                static_cast<size_t>(to.rows), cudaMemcpyDeviceToDevice, context_.stream()));
  }
  Matrix allocate_host(DType dtype, int64_t rows, int64_t cols) override {
    const size_t bytes = static_cast<size_t>(rows * cols * size_of(dtype));
    return {dtype, rows, cols,
            Matrix::Memory(transfers_.allocate_host(bytes), [this](std::byte* p) { transfers_.free_host(p); })};
  }
  void fetch(MatrixView to, MatrixView host) override {
    transfers_.fetch(to.data, host.data, transfer_bytes(to, host));
  }
  void store(MatrixView host, MatrixView from) override {
    transfers_.store(host.data, from.data, transfer_bytes(host, from));
  }
  void await_fetches() override { transfers_.await_fetches(); }

  std::unique_ptr<Weight> load_weight(const TensorView& weight, const TensorView* bias) override {
    return cuda::make_dense_weight(context_, dtype_, weight, bias);
  }
  std::unique_ptr<Weight> load_weight(const PackedWeight& weight) override {
    return cuda::make_packed_weight(context_, dtype_, weight);
  }

  void embed(MatrixView out, std::span<const int> ids, const Weight& table) override {
    const auto& rows = static_cast<const cuda::CudaWeight&>(table);
    for (const int id : ids) CHECK(id >= 0 && id < rows.n);
    const cuda::Buffer device_ids = cuda::to_device(context_, ids);
    cuda::Buffer scratch;
    const MatrixView dense = dense_of(rows, scratch, false);
    for (int64_t first = 0; first < out.rows; first += 65535) {
      const int64_t count = std::min<int64_t>(65535, out.rows - first);
      cuda::embed(context_, out.row_range(first, count), device_ids.as<int32_t>() + first, dense);
    }
  }
  void norm(MatrixView out, MatrixView x, NormKind kind, MatrixView weight, MatrixView bias, float eps) override {
    cuda::norm(context_, out, x, kind, weight, bias, eps);
  }

  void linear(MatrixView y, MatrixView x, std::span<const Weight* const> weights) override {
    CHECK(y.rows == x.rows);
    int64_t column = 0;
    for (const Weight* weight : weights) {
      const auto& w = static_cast<const cuda::CudaWeight&>(*weight);
      CHECK(w.k == x.cols && x.dtype == dtype_);
      linear(y.column_range(column, w.n), x, w);
      column += w.n;
    }
    CHECK(column == y.cols);
  }

  void rope(MatrixView x, const RopeArgs& args, const BatchRows& rows) override {
    CHECK(x.rows == rows.rows());
    cuda::rope(context_, x, args, cuda::pointer<int32_t>(rows.positions));
  }
  void append(MatrixView cache, MatrixView x, const BatchRows& rows) override {
    cuda::append(context_, cache, x, rows);
  }
  void attention(MatrixView out, const AttentionArgs& args, const BatchRows& rows) override {
    if (out.rows > 0) cuda::attention(context_, out, args, rows);
  }
  void activate(MatrixView out, MatrixView x, Activation kind, bool gated) override {
    cuda::activate(context_, out, x, kind, gated);
  }
  void add(MatrixView x, MatrixView y) override { cuda::add(context_, x, y); }

  void scale(MatrixView x, float factor) override { cuda::scale(context_, x, factor); }
  void soft_cap(MatrixView x, float cap) override { cuda::soft_cap(context_, x, cap); }
  void gather_rows(MatrixView out, MatrixView x, std::span<const int> rows) override {
    cuda::embed(context_, out, cuda::to_device(context_, rows).as<int32_t>(), x);
  }

  std::vector<float> cross_entropy(MatrixView logits, std::span<const int> targets) override {
    std::vector<float> values(static_cast<size_t>(logits.rows));
    const cuda::Buffer losses(context_, values.size() * sizeof(float)), ids = cuda::to_device(context_, targets);
    cuda::cross_entropy(context_, losses.as<float>(), logits, ids.as<int32_t>());
    read_back(values.data(), losses, values.size() * sizeof(float));
    return values;
  }
  void find_non_finite(MatrixView flag, MatrixView x) override {
    cuda::find_non_finite(context_, cuda::pointer(flag), x);
  }
  bool all_finite(const TensorView& stored) override { return gptq::all_finite(stored, context_.pool()); }
  std::unique_ptr<DecodeRunner> make_decode_runner(const DecodeModel& model) override {
    return cuda::make_decode_runner(context_, dtype_, model);
  }

  void clear(MatrixView x) override { cuda::clear(context_, x); }
  int64_t scratch_bytes(GptqOp op, int64_t n, int64_t k) const override { return cuda::scratch_bytes(op, n, k); }
  void load(MatrixView to, const TensorView& from) override { cuda::load(context_, to, from); }
  void gather_columns(MatrixView to, MatrixView from, std::span<const int> order) override {
    cuda::gather_columns(context_, to, from, order);
  }
  void subtract_columns(MatrixView to, MatrixView from, std::span<const int> order) override {
    cuda::subtract_columns(context_, to, from, order);
  }
  void accumulate_hessian(MatrixView h, MatrixView x) override { cuda::accumulate_hessian(context_, h, x); }
  void accumulate_cross(MatrixView d, MatrixView target, MatrixView x) override {
    cuda::accumulate_cross(context_, d, target, x);
  }
  std::vector<float> diagonal(MatrixView h) override { return cuda::diagonal(context_, h); }
  bool factorize(MatrixView s, MatrixView h, std::span<const int> order, float damping, bool precise) override {
    return cuda::factorize(context_, s, h, order, damping, precise);
  }
  bool solve_gptaq_target(MatrixView w, MatrixView d, MatrixView h, float damping, float alpha) override {
    return cuda::solve_gptaq_target(context_, w, d, h, damping, alpha);
  }
  void solve_columns(const SolveArgs& args) override { cuda::solve_columns(context_, args); }
  std::vector<double> row_quadratic_forms(MatrixView w, MatrixView h) override {
    return cuda::row_quadratic_forms(context_, w, h);
  }
  Tensor pack_codes(MatrixView codes, std::span<const int> order, int bits, int64_t first, int64_t count) override {
    return cuda::pack_codes(context_, codes, order, bits, first, count);
  }

 private:
  static size_t transfer_bytes(MatrixView to, MatrixView from) {
    CHECK(to.dtype == from.dtype && to.rows == from.rows && to.cols == from.cols);
    CHECK(to.stride == to.cols && from.stride == from.cols);
    return static_cast<size_t>(to.rows * to.cols * size_of(to.dtype));
  }

  void read_back(void* to, const cuda::Buffer& from, size_t bytes) {
    GPTQ_CUDA(cudaMemcpyAsync(to, from.as(), bytes, cudaMemcpyDeviceToHost, context_.stream()));
    context_.synchronize();
  }

  MatrixView dense_of(const cuda::CudaWeight& w, cuda::Buffer& scratch, bool sorted) {
    if (!w.is_packed()) return w.dense();
    scratch = cuda::Buffer(context_, static_cast<size_t>(w.n * w.k) * 2);
    const MatrixView dense{dtype_, scratch.as(), w.n, w.k, w.k};
    cuda::dequantize(context_, dense, w.packed, sorted);
    return dense;
  }

  void linear(MatrixView y, MatrixView x, const cuda::CudaWeight& w) {
    if (x.rows == 0) return;
    const bool aligned = x.stride % 8 == 0 && reinterpret_cast<uintptr_t>(x.data) % 16 == 0;
    const cuda::CudaWeight* const weights[] = {&w};
    cuda::DecodeLinear p;
    p.weights = weights;
    p.rows = static_cast<int>(x.rows);
    p.x = x;
    p.y = y;
    if (aligned && x.rows <= cuda::decode_rows(context_, w)) return cuda::launch_decode_linear(context_, p, false);

    cuda::Buffer scratch, sorted;
    if (w.packed.perm != nullptr) {
      sorted = cuda::Buffer(context_, static_cast<size_t>(x.rows * x.cols) * 2);
      const MatrixView in_order{x.dtype, sorted.as(), x.rows, x.cols, x.cols};
      cuda::sort_inputs(context_, in_order, x, w.packed.perm);
      x = in_order;
    }
    const int64_t at_once = cuda::BatchLinear::max_rows(context_, w);
    if ((aligned || w.packed.perm != nullptr) && x.rows <= kMaxLaunches * at_once) {
      if (!batch_) batch_.emplace(context_);
      for (int64_t first = 0; first < x.rows; first += at_once) {
        p.rows = static_cast<int>(std::min(at_once, x.rows - first));
        p.x = x.row_range(first, p.rows);
        p.y = y.row_range(first, p.rows);
        batch_->launch(p, false);
      }
      return;
    }
    cuda::dense_linear(context_, y, x, dense_of(w, scratch, true), w.bias());
  }

  cuda::Context context_;
  cuda::Transfers transfers_;
  DType dtype_;
  Capabilities capabilities_;
  std::optional<cuda::BatchLinear> batch_;  // made at first use
};

}  // namespace

GpuState gpu_state() {
  static const std::vector<GpuTarget> targets = parse_gpu_targets(GPTQ_CUDA_TARGETS);
  GpuState state;
  int driver = 0, count = 0;
  if (cudaDriverGetVersion(&driver) != cudaSuccess || driver == 0) {
    state.problem = "this machine has no NVIDIA driver";
    return state;
  }
  state.driver = std::to_string(driver / 1000) + "." + std::to_string(driver % 1000 / 10);
  if (driver < kMinDriver) {
    state.problem = "the NVIDIA driver is too old: it supports CUDA " + state.driver +
                    ", expected 13.0 or newer (driver 580); update it";
    return state;
  }
  if (const cudaError_t status = cudaGetDeviceCount(&count); status != cudaSuccess) {
    state.problem = std::string("the driver finds no GPU (") + cudaGetErrorString(status) + ")";
    return state;
  }
  for (int index = 0; index < count; ++index) {
    Gpu gpu;
    gpu.index = index;
    cudaDeviceProp properties{};
    if (const cudaError_t status = cudaGetDeviceProperties(&properties, index); status != cudaSuccess) {
      gpu.problem = std::string("the driver cannot describe it (") + cudaGetErrorString(status) + ")";
    } else {
      gpu.name = properties.name;
      gpu.major = properties.major;
      gpu.minor = properties.minor;
      gpu.memory = static_cast<int64_t>(properties.totalGlobalMem);
      gpu.problem = unserved_reason(targets, gpu);
    }
    state.gpus.push_back(gpu);
  }
  return state;
}

std::string gpu_targets() { return GPTQ_CUDA_TARGETS; }

std::unique_ptr<Backend> make_cuda_backend(int device, DType activations, int64_t max_bytes, int threads) {
  return std::make_unique<CudaBackend>(device, activations, max_bytes, threads);
}

}  // namespace gptq::backend
