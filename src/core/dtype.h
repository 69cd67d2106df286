// Element types of tensors, with their names and sizes in the safetensors format.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace gptq {

// In the order of the safetensors reference implementation: its writer sorts tensors by this order, descending.
// Types narrower than a byte (F4, F6_*) are left out: nothing here stores them.
enum class DType : uint8_t {
  kBool,
  kU8,
  kI8,
  kF8E5M2,
  kF8E4M3,
  kF8E8M0,
  kF8E4M3FNUZ,
  kF8E5M2FNUZ,
  kI16,
  kU16,
  kF16,
  kBF16,
  kI32,
  kU32,
  kF32,
  kC64,
  kF64,
  kI64,
  kU64,
};

struct DTypeInfo {
  DType dtype;
  std::string_view name;  // as written in a safetensors header
  int bytes;
};

inline constexpr DTypeInfo kDTypes[] = {
    {DType::kBool, "BOOL", 1},
    {DType::kU8, "U8", 1},
    {DType::kI8, "I8", 1},
    {DType::kF8E5M2, "F8_E5M2", 1},
    {DType::kF8E4M3, "F8_E4M3", 1},
    {DType::kF8E8M0, "F8_E8M0", 1},
    {DType::kF8E4M3FNUZ, "F8_E4M3FNUZ", 1},
    {DType::kF8E5M2FNUZ, "F8_E5M2FNUZ", 1},
    {DType::kI16, "I16", 2},
    {DType::kU16, "U16", 2},
    {DType::kF16, "F16", 2},
    {DType::kBF16, "BF16", 2},
    {DType::kI32, "I32", 4},
    {DType::kU32, "U32", 4},
    {DType::kF32, "F32", 4},
    {DType::kC64, "C64", 8},
    {DType::kF64, "F64", 8},
    {DType::kI64, "I64", 8},
    {DType::kU64, "U64", 8},
};

constexpr int size_of(DType dtype) { return kDTypes[static_cast<int>(dtype)].bytes; }
constexpr std::string_view name_of(DType dtype) { return kDTypes[static_cast<int>(dtype)].name; }

constexpr std::optional<DType> dtype_from_name(std::string_view name) {
  for (const DTypeInfo& info : kDTypes) {
    if (info.name == name) return info.dtype;
  }
  return std::nullopt;
}

}  // namespace gptq
