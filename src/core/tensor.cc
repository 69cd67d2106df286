// Owning tensors and conversion to fp32.
#include "core/tensor.h"

#include <gptq/error.h>

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>

namespace gptq {

int64_t element_count(const Shape& shape) {
  int64_t count = 1;
  for (int64_t extent : shape) count *= extent;
  return count;
}

std::string to_string(const Shape& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

namespace {

// Exponent bits all ones mean infinity or NaN.
template <typename Bits>
bool has_non_finite(const std::byte* data, size_t count, Bits exponent) {
  bool bad = false;
  for (size_t i = 0; i < count; ++i) {
    Bits bits;
    std::memcpy(&bits, data + i * sizeof(Bits), sizeof(Bits));
    bad |= (bits & exponent) == exponent;
  }
  return bad;
}

}  // namespace

bool all_finite(const TensorView& view, ThreadPool& pool) {
  constexpr size_t kPiece = size_t{1} << 18;  // elements
  const size_t count = static_cast<size_t>(view.size()), element = static_cast<size_t>(size_of(view.dtype));
  std::atomic<bool> bad = false;
  pool.parallel_for(static_cast<int64_t>((count + kPiece - 1) / kPiece), [&](int64_t piece) {
    const size_t begin = static_cast<size_t>(piece) * kPiece, size = std::min(kPiece, count - begin);
    const std::byte* data = view.data + begin * element;
    const bool found = view.dtype == DType::kF32   ? has_non_finite<uint32_t>(data, size, 0x7F800000u)
                       : view.dtype == DType::kF16 ? has_non_finite<uint16_t>(data, size, 0x7C00)
                                                   : has_non_finite<uint16_t>(data, size, 0x7F80);
    if (found) bad = true;
  });
  return !bad;
}

namespace {

constexpr size_t kHugePage = size_t{2} << 20;

size_t padded(size_t bytes) { return (bytes + 63) / 64 * 64; }

// Large tensors are in huge pages where the system has them: reading them misses the TLB less often.
void* allocate(size_t bytes) {
  if (bytes < 2 * kHugePage) return std::aligned_alloc(64, bytes);
  const size_t whole = (bytes + kHugePage - 1) / kHugePage * kHugePage;
  void* memory = std::aligned_alloc(kHugePage, whole);
  if (memory != nullptr) ::madvise(memory, whole, MADV_HUGEPAGE);
  return memory;
}

}  // namespace

Tensor::Tensor(DType dtype, Shape shape) {
  *this = uninitialized(dtype, std::move(shape));
  if (!empty()) std::memset(data_.get(), 0, padded(bytes()));
}

Tensor Tensor::uninitialized(DType dtype, Shape shape) {
  Tensor tensor;
  tensor.dtype_ = dtype;
  tensor.shape_ = std::move(shape);
  const size_t bytes = padded(tensor.bytes());
  if (bytes == 0) return tensor;
  void* memory = allocate(bytes);
  if (memory == nullptr) {
    throw Error(ErrorKind::kOutOfMemory, "allocating a tensor of " + std::to_string(bytes) +
                                             " bytes failed: out of host memory; use a smaller model, fewer "
                                             "--samples or a shorter --seqlen");
  }
  tensor.data_.reset(static_cast<std::byte*>(memory));
  return tensor;
}

void Tensor::Free::operator()(std::byte* memory) const { std::free(memory); }

namespace {

template <typename Stored, typename Convert>
void convert(const TensorView& view, std::span<float> out, Convert to) {
  for (size_t i = 0; i < out.size(); ++i) {
    Stored stored;
    std::memcpy(&stored, view.data + i * sizeof(Stored), sizeof(Stored));
    out[i] = to(stored);
  }
}

}  // namespace

void to_float32(std::span<float> out, const TensorView& view, const std::string& what) {
  CHECK(static_cast<int64_t>(out.size()) == view.size());
  switch (view.dtype) {
    case DType::kF32: std::memcpy(out.data(), view.data, view.bytes()); break;
    case DType::kF16: convert<Half>(view, out, [](Half v) { return to_float(v); }); break;
    case DType::kBF16: convert<BFloat16>(view, out, [](BFloat16 v) { return to_float(v); }); break;
    case DType::kF64: convert<double>(view, out, [](double v) { return static_cast<float>(v); }); break;
    default:
      throw Error(ErrorKind::kVerification, "reading " + what + " as numbers: found type " +
                                                std::string(name_of(view.dtype)) + ", expected F32, F16, BF16 or F64");
  }
}

Tensor to_float32(const TensorView& view, const std::string& what) {
  Tensor result = Tensor::uninitialized(DType::kF32, view.shape);
  to_float32(result.values<float>(), view, what);
  return result;
}

}  // namespace gptq
