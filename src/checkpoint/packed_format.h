// Conversion between GPTQ's stored tensors of one linear module and the canonical PackedWeight.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "checkpoint/quantize_config.h"
#include "core/group_size.h"
#include "core/packed_weight.h"

namespace gptq::checkpoint {

// For a module P with K inputs and N outputs in G groups (core/group_size.h) a folder contains:
//   P.qweight I32 [K·bits/32, N]   P.qzeros I32 [G, N·bits/32]   P.scales F16 [G, N]   P.g_idx I32 [K]
//   P.bias    F16 [N], if the linear has one
// Format v1 stores zero − 1 in qzeros. Source: the files written by AutoGPTQ, GPTQModel and optimum (docs/formats.md).

// K and N must be multiples of 32; throws Error(kUsage) otherwise.
std::vector<TensorSpec> packed_specs(const std::string& module, int64_t K, int64_t N, int bits, int64_t group_size,
                                     bool bias);

// How 1 is added back to stored zeros of format v1. If `bits` is the module's width and is 2, 4 or 8, the two differ
// only where a zero of 0 wrapped around.
enum class ZeroRule {
  kPerField,   // each field plus one, modulo 2^bits
  kWholeWord,  // the inverse of GPTQModel, which subtracts a constant from whole words, with borrows. At 3 bits, before
               // its version 7.0, the constants of the three words of 32 fields are in reverse order.
};

// qzeros of format v1 -> plain zeros, same shape. `bits` is the width that the writer assumed.
Tensor plain_zeros(const TensorView& stored, int bits, ZeroRule rule);

// Reads module P; its words may be those of the mapped file, valid as long as the checkpoint. Settings come from the
// folder's quantization config and its rules. Scales in BF16 or F32 are rounded to F16, as other readers do; an all-zero
// bias (which AutoGPTQ writes for every module) is dropped; a missing or all-zero g_idx means k / group_size. Throws
// Error(kVerification), naming the tensor and what was found and expected, for a folder that is not quantized, wrong
// types or shapes and groups out of range, and Error(kNumerical) for NaN or infinite scales and biases.
PackedWeight read_packed(const Checkpoint& checkpoint, const std::string& module, int64_t K, int64_t N);

// Called with the tensors to write, named and ordered as in packed_specs; the views are valid during the call.
using StoredSink = std::function<void(const std::string& name, const TensorView& tensor)>;

// Throws, before the first call, Error(kUsage) for a zero of 0 in format v1, which cannot represent it, and
// Error(kNumerical) for scales or biases outside the range of F16.
void for_each_stored(const PackedWeight& weight, const std::string& module, CheckpointFormat format,
                     const StoredSink& sink);

}  // namespace gptq::checkpoint
