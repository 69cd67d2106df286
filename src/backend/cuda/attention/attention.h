// Attention on the GPU: many queries of a prompt at once, and one new token for each of several sequences.
//
// Queries, keys and values are 16-bit. The softmax is in fp32; its weights are rounded to the 16-bit type before they
// meet the values, sums are fp32. Pointers are aligned to 16 bytes, strides and head_dim are multiples of 8 elements,
// head_dim ≤ 256, kv_heads divides heads (query head h reads key head h / (heads / kv_heads)), scale > 0, fewer
// than 2³¹ rows of keys.
#pragma once

#include <cstddef>
#include <cstdint>

#include "backend/cuda/device/context.h"
#include "core/dtype.h"

namespace gptq::cuda {

// Where the keys and values of the sequences lie.
struct KvView {
  const void* keys = nullptr;  // rows [.., Hkv·D]
  const void* values = nullptr;
  int64_t stride = 0;  // elements between rows
  // Position j of sequence s is row pages[s][j / page_size] · page_size + j % page_size; without pages, row
  // s · length + j.
  const int32_t* pages = nullptr;  // device   [S, pages_per_sequence]
  int pages_per_sequence = 0;
  int page_size = 0;   // a power of two
  int64_t length = 0;  // rows of a sequence without pages
};

struct PrefillProblem {
  DType dtype = DType::kBF16;  // or kF16
  void* out = nullptr;         // [S·T, H·D]
  int64_t out_stride = 0;
  const void* q = nullptr;  // rotated   [S·T, H·D]
  int64_t q_stride = 0;
  KvView kv;
  int sequences = 0;  // S
  int queries = 0;    // T: query i of a sequence sits at position past + i
  int64_t past = 0;   // the same for all sequences; keys 0 … past + i are visible
  int heads = 0, kv_heads = 0, head_dim = 0;
  float scale = 1.0f;
  int64_t window = 0;  // only keys i − window < j ≤ i of query position i; 0 = all
};

void launch_prefill_attention(const Context& context, const PrefillProblem& problem);

// One new token for each of B sequences: norm and rotation of its q and k, storing its k and v, and attention over all
// keys so far and its own, in one launch. No shape depends on the number of tokens in the cache: a captured launch can
// be replayed as it grows.
struct DecodeAttentionProblem {
  DType dtype = DType::kBF16;  // or kF16
  void* out = nullptr;         // [B, H·D]
  int64_t out_stride = 0;
  const void* qkv = nullptr;  // q | k | v, neither normed nor rotated   [B, (H + 2·Hkv)·D]
  int64_t qkv_stride = 0;
  void* keys = nullptr;  // the layer's cache   [slots, Hkv·D]
  void* values = nullptr;
  int64_t kv_stride = 0;
  const int32_t* pages = nullptr;  // device, as in KvView   [B, pages_per_sequence]
  int pages_per_sequence = 0;
  int page_size = 0;                   // a power of two
  const int32_t* positions = nullptr;  // device: tokens in the cache = position of the new one   [B]
  const float* cos = nullptr;          // device   [max positions, D/2]
  const float* sin = nullptr;
  const float* q_norm = nullptr;  // weight of the RMS norm of each head before rotation, or null   [D]
  const float* k_norm = nullptr;
  float norm_eps = 0.0f;
  int batch = 0, heads = 0, kv_heads = 0, head_dim = 0;
  float scale = 1.0f;
  int64_t window = 0;
  float* workspace = nullptr;    // plan_decode_attention().workspace_floats, aligned to 16 bytes
  unsigned* counters = nullptr;  // plan_decode_attention().counters; zero before the first launch, and after each
  int splits = 1;                // at most that many parts of a sequence, each a CTA for each key head
};

struct DecodeAttentionPlan {
  int splits = 1;
  size_t workspace_floats = 0;
  int counters = 0;
};
// `capacity`: the longest sequence that the cache can hold.
DecodeAttentionPlan plan_decode_attention(int batch, int heads, int kv_heads, int head_dim, int64_t capacity,
                                          int multiprocessors);

// `dependent`: by programmatic dependent launch, where the device has it. All that earlier kernels write is read after
// waiting for them; the weights q_norm and k_norm are read before.
void launch_decode_attention(const Context& context, const DecodeAttentionProblem& problem, bool dependent);

}  // namespace gptq::cuda
