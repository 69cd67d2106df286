// A backend's memory: allocation and transfer of matrices.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "backend/matrix.h"

namespace gptq::backend {

struct DeviceMemory {
  int64_t available = 0;  // bytes that can still be allocated; INT64_MAX without a limit (CPU)
  int64_t peak = 0;       // maximum bytes of device memory in use, including the driver's; 0 on a CPU
};

// A matrix may be freed at any time: its memory is reused only after all earlier calls are done.
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
  virtual void synchronize() = 0;  // returns when all earlier operations and transfers are done

  // ---- matrices in host memory, accepted by `fetch` and `store` only. Both matrices of a transfer have the same type
  // and shape and are contiguous. Transfers run concurrently with operations:
  //   fetch          begins after the operations and stores called before it are done
  //   store          begins after the operations called before it are done
  //   await_fetches  operations called after it begin after the fetches called before it are done
  // Until a store completes, only a fetch may overwrite its source.
  virtual Matrix allocate_host(DType dtype, int64_t rows, int64_t cols) = 0;
  virtual void fetch(MatrixView to, MatrixView host) = 0;
  virtual void store(MatrixView host, MatrixView from) = 0;
  virtual void await_fetches() = 0;
};

}  // namespace gptq::backend
