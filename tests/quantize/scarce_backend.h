// A CPU backend that fails on purpose: little memory, memory that runs out on the way, a device that is lost.
#pragma once

#include <gptq/error.h>

#include "backend/backend.h"
#include "backend/cuda/gptq/scratch.h"

namespace gptq::backend {

// What tests set before a run and read after it; shared by all backends made from it.
struct Scarcity {
  int64_t available = INT64_MAX;  // bytes that memory() promises
  int64_t batch_rows = 96;
  int allocation_that_fails = -1;  // counted from 0
  int allocations_that_fail = 1;   // from that one on
  int solve_that_is_lost = -1;     // counted from 0, and everything after it
  int allocations = 0, solves = 0, fetched = 0, stored = 0;
};

// Forwards everything to the CPU.
class ScarceBackend final : public Backend {
 public:
  ScarceBackend(std::unique_ptr<Backend> cpu, Scarcity& scarcity)
      : cpu_(std::move(cpu)), s_(scarcity), capabilities_(cpu_->capabilities()) {
    capabilities_.batch_rows = s_.batch_rows;
  }

  Device device() const override { return cpu_->device(); }
  const Capabilities& capabilities() const override { return capabilities_; }
  void synchronize() override { cpu_->synchronize(); }

  DeviceMemory memory() override { return {s_.available, 0}; }
  Matrix allocate(DType dtype, int64_t rows, int64_t cols) override {
    const int behind = s_.allocations++ - s_.allocation_that_fails;
    if (s_.allocation_that_fails >= 0 && behind >= 0 && behind < s_.allocations_that_fail) {
      throw Error(ErrorKind::kOutOfMemory, "the test took the memory");
    }
    return cpu_->allocate(dtype, rows, cols);
  }
  void upload(MatrixView to, std::span<const float> from) override { cpu_->upload(to, from); }
  void upload(MatrixView to, std::span<const int32_t> from) override { cpu_->upload(to, from); }
  std::vector<float> download(MatrixView from) override { return cpu_->download(from); }
  void copy(MatrixView to, MatrixView from) override { cpu_->copy(to, from); }
  Matrix allocate_host(DType dtype, int64_t rows, int64_t cols) override {
    return cpu_->allocate_host(dtype, rows, cols);
  }
  void fetch(MatrixView to, MatrixView host) override {
    ++s_.fetched;
    cpu_->fetch(to, host);
  }
  void store(MatrixView host, MatrixView from) override {
    ++s_.stored;
    cpu_->store(host, from);
  }
  void await_fetches() override { cpu_->await_fetches(); }

  std::unique_ptr<Weight> load_weight(const TensorView& weight, const TensorView* bias) override {
    return cpu_->load_weight(weight, bias);
  }
  std::unique_ptr<Weight> load_weight(const PackedWeight& weight) override { return cpu_->load_weight(weight); }
  std::unique_ptr<Weight> load_exact(const PackedWeight& weight) override { return cpu_->load_exact(weight); }

  void embed(MatrixView out, std::span<const int> ids, const Weight& table) override { cpu_->embed(out, ids, table); }
  void norm(MatrixView out, MatrixView x, NormKind kind, MatrixView weight, MatrixView bias, float eps) override {
    cpu_->norm(out, x, kind, weight, bias, eps);
  }
  void linear(MatrixView y, MatrixView x, std::span<const Weight* const> weights) override {
    cpu_->linear(y, x, weights);
  }
  void rope(MatrixView x, const RopeArgs& args, const BatchRows& rows) override { cpu_->rope(x, args, rows); }
  void append(MatrixView cache, MatrixView x, const BatchRows& rows) override { cpu_->append(cache, x, rows); }
  void attention(MatrixView out, const AttentionArgs& args, const BatchRows& rows) override {
    cpu_->attention(out, args, rows);
  }
  void activate(MatrixView out, MatrixView x, Activation kind, bool gated) override {
    cpu_->activate(out, x, kind, gated);
  }
  void scale(MatrixView x, float factor) override { cpu_->scale(x, factor); }
  void soft_cap(MatrixView x, float cap) override { cpu_->soft_cap(x, cap); }
  void gather_rows(MatrixView out, MatrixView x, std::span<const int> rows) override {
    cpu_->gather_rows(out, x, rows);
  }
  void add(MatrixView x, MatrixView y) override { cpu_->add(x, y); }
  std::vector<float> cross_entropy(MatrixView logits, std::span<const int> targets) override {
    return cpu_->cross_entropy(logits, targets);
  }
  void find_non_finite(MatrixView flag, MatrixView x) override { cpu_->find_non_finite(flag, x); }
  bool all_finite(const TensorView& stored) override { return cpu_->all_finite(stored); }
  std::unique_ptr<DecodeRunner> make_decode_runner(const DecodeModel& model) override {
    return cpu_->make_decode_runner(model);
  }

  void clear(MatrixView x) override { cpu_->clear(x); }
  int64_t scratch_bytes(GptqOp op, int64_t n, int64_t k) const override { return cuda::scratch_bytes(op, n, k); }
  void load(MatrixView to, const TensorView& from) override { cpu_->load(to, from); }
  void gather_columns(MatrixView to, MatrixView from, std::span<const int> order) override {
    cpu_->gather_columns(to, from, order);
  }
  void subtract_columns(MatrixView to, MatrixView from, std::span<const int> order) override {
    cpu_->subtract_columns(to, from, order);
  }
  void accumulate_hessian(MatrixView h, MatrixView x) override { cpu_->accumulate_hessian(h, x); }
  void accumulate_cross(MatrixView d, MatrixView target, MatrixView x) override {
    cpu_->accumulate_cross(d, target, x);
  }
  void accumulate_cross_of_rows(MatrixView p, MatrixView w, MatrixView target, MatrixView x) override {
    cpu_->accumulate_cross_of_rows(p, w, target, x);
  }
  std::vector<float> diagonal(MatrixView h) override { return cpu_->diagonal(h); }
  bool factorize(MatrixView s, MatrixView h, std::span<const int> order, float damping, bool precise) override {
    return cpu_->factorize(s, h, order, damping, precise);
  }
  bool solve_gptaq_target(MatrixView w, MatrixView d, MatrixView h, float damping, float alpha) override {
    return cpu_->solve_gptaq_target(w, d, h, damping, alpha);
  }
  void solve_columns(const SolveArgs& args) override {
    if (s_.solve_that_is_lost >= 0 && s_.solves >= s_.solve_that_is_lost) {
      throw Error(ErrorKind::kGeneral, "the test took the device");
    }
    ++s_.solves;
    cpu_->solve_columns(args);
  }
  std::vector<double> row_quadratic_forms(MatrixView w, MatrixView h) override {
    return cpu_->row_quadratic_forms(w, h);
  }
  Tensor pack_codes(MatrixView codes, std::span<const int> order, int bits, int64_t first, int64_t count) override {
    return cpu_->pack_codes(codes, order, bits, first, count);
  }

 private:
  std::unique_ptr<Backend> cpu_;
  Scarcity& s_;
  Capabilities capabilities_;
};

}  // namespace gptq::backend
