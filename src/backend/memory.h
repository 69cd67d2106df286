// A backend's memory: allocating matrices, and moving their elements in and out.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "backend/matrix.h"

namespace gptq::backend {

struct DeviceMemory {
  int64_t available = 0;  // bytes that may still be allocated; INT64_MAX where nobody counts (CPU)
  int64_t peak = 0;       // bytes of the device that the backend has held at most, the driver's included; 0 on a CPU
};

// A matrix may be freed at any time: its memory is used again when what was called before is done.
class Memory {
 public:
  virtual ~Memory() = default;
  virtual DeviceMemory memory() = 0;
  virtual Matrix allocate(DType dtype, int64_t rows, int64_t cols) = 0;   // not cleared; codes are U8
  virtual void upload(MatrixView to, std::span<const float> from) = 0;    // [rows · cols], rounded to to.dtype
  virtual void upload(MatrixView to, std::span<const int32_t> from) = 0;  // I32 [rows · cols]
  virtual std::vector<float> download(MatrixView from) = 0;               // [rows · cols]
  virtual void copy(MatrixView to, MatrixView from) = 0;                  // same type, rows and cols
  virtual void clear(MatrixView x) = 0;                                   // zeros
  virtual void synchronize() = 0;  // returns when all operations and transfers called so far are done

  // ---- matrices that wait in host memory. Only `fetch` and `store` take them; both matrices of a transfer have the
  // same type and shape and are contiguous. Transfers run beside the operations:
  //   fetch          begins when the operations and stores called before it are done
  //   store          begins when the operations called before it are done
  //   await_fetches  operations called after it begin when the fetches called before it are done
  // Until a store completes, only a fetch may overwrite its source.
  virtual Matrix allocate_host(DType dtype, int64_t rows, int64_t cols) = 0;
  virtual void fetch(MatrixView to, MatrixView host) = 0;
  virtual void store(MatrixView host, MatrixView from) = 0;
  virtual void await_fetches() = 0;
};

}  // namespace gptq::backend
