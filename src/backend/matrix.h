// Matrices in a backend's memory: an owning Matrix and a non-owning MatrixView.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include "core/check.h"
#include "core/dtype.h"

namespace gptq::backend {

// Row-major; `stride` elements between the starts of consecutive rows, so that a column range is a view too.
// The memory may be on a device: only the backend that allocated it reads or writes elements.
struct MatrixView {
  DType dtype = DType::kF32;
  std::byte* data = nullptr;
  int64_t rows = 0, cols = 0, stride = 0;

  MatrixView row_range(int64_t begin, int64_t count) const {
    CHECK(begin >= 0 && count >= 0 && begin + count <= rows);
    return {dtype, data + begin * stride * size_of(dtype), count, cols, stride};
  }
  MatrixView column_range(int64_t begin, int64_t count) const {
    CHECK(begin >= 0 && count >= 0 && begin + count <= cols);
    return {dtype, data + begin * size_of(dtype), rows, count, stride};
  }
  MatrixView diagonal() const { return {dtype, data, std::min(rows, cols), 1, stride + 1}; }
  // Host memory only.
  template <typename T = float>
  T* row(int64_t index) const {
    CHECK(sizeof(T) == static_cast<size_t>(size_of(dtype)));
    return reinterpret_cast<T*>(data) + index * stride;
  }
};

class Matrix {
 public:
  using Memory = std::unique_ptr<std::byte, std::function<void(std::byte*)>>;

  Matrix() = default;
  Matrix(DType dtype, int64_t rows, int64_t cols, Memory memory)
      : dtype_(dtype), rows_(rows), cols_(cols), memory_(std::move(memory)) {}

  DType dtype() const { return dtype_; }
  int64_t rows() const { return rows_; }
  int64_t cols() const { return cols_; }
  size_t bytes() const { return static_cast<size_t>(rows_ * cols_ * size_of(dtype_)); }
  MatrixView view() const { return {dtype_, memory_.get(), rows_, cols_, cols_}; }

 private:
  DType dtype_ = DType::kF32;
  int64_t rows_ = 0, cols_ = 0;
  Memory memory_;
};

}  // namespace gptq::backend
