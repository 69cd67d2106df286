// Tensors in host memory: an owning Tensor and a non-owning TensorView, row-major and contiguous.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/check.h"
#include "core/dtype.h"
#include "core/half.h"
#include "core/threads.h"

namespace gptq {

using Shape = std::vector<int64_t>;

int64_t element_count(const Shape& shape);
std::string to_string(const Shape& shape);  // "[4096, 128]"

// A view of memory owned by others. The bytes need not be aligned (files do not guarantee it): use `values<T>()` only
// where the owner aligned them, and copies elsewhere.
struct TensorView {
  DType dtype = DType::kF32;
  Shape shape;
  const std::byte* data = nullptr;

  int64_t size() const { return element_count(shape); }
  size_t bytes() const { return static_cast<size_t>(size()) * static_cast<size_t>(size_of(dtype)); }

  // Rows [first, first + count) of a matrix.
  TensorView rows(int64_t first, int64_t count) const {
    CHECK(shape.size() == 2 && first >= 0 && first + count <= shape[0]);
    return {dtype, {count, shape[1]}, data + first * shape[1] * size_of(dtype)};
  }

  // Requires data aligned for T and sizeof(T) == element size.
  template <typename T>
  std::span<const T> values() const {
    CHECK(sizeof(T) == static_cast<size_t>(size_of(dtype)));
    CHECK(reinterpret_cast<uintptr_t>(data) % alignof(T) == 0);
    return {reinterpret_cast<const T*>(data), static_cast<size_t>(size())};
  }
};

// Owns 64-byte aligned memory; movable, not copyable. New memory is zero.
class Tensor {
 public:
  Tensor() = default;
  Tensor(DType dtype, Shape shape);
  static Tensor uninitialized(DType dtype, Shape shape);  // uninitialized memory

  DType dtype() const { return dtype_; }
  const Shape& shape() const { return shape_; }
  int64_t size() const { return element_count(shape_); }
  size_t bytes() const { return static_cast<size_t>(size()) * static_cast<size_t>(size_of(dtype_)); }
  bool empty() const { return size() == 0; }
  std::byte* data() { return data_.get(); }
  const std::byte* data() const { return data_.get(); }
  TensorView view() const { return {dtype_, shape_, data_.get()}; }

  template <typename T>
  std::span<T> values() {
    CHECK(sizeof(T) == static_cast<size_t>(size_of(dtype_)));
    return {reinterpret_cast<T*>(data_.get()), static_cast<size_t>(size())};
  }
  template <typename T>
  std::span<const T> values() const {
    return view().values<T>();
  }

 private:
  struct Free {
    void operator()(std::byte* memory) const;
  };
  DType dtype_ = DType::kF32;
  Shape shape_ = {0};
  std::unique_ptr<std::byte[], Free> data_;
};

// True unless an element of an F32, F16 or BF16 tensor is NaN or infinite. Uses all threads of the pool.
bool all_finite(const TensorView& view, ThreadPool& pool);

// Copies any of F32, F16, BF16, F64 into fp32. Throws Error(kVerification) naming `what` for other types.
Tensor to_float32(const TensorView& view, const std::string& what);
void to_float32(std::span<float> out, const TensorView& view, const std::string& what);  // sizes agree

}  // namespace gptq
