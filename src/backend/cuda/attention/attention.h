// Attention on the GPU: many queries of a prompt at once, and a few new tokens for each of several sequences.
//
// Queries, keys and values are 16-bit. The softmax is in fp32; its weights are rounded to the 16-bit type before the
// multiplication with the values, sums are fp32. Pointers are aligned to 16 bytes, strides and head_dim are multiples
// of 8 elements, head_dim ≤ 256, kv_heads divides heads (query head h reads key head h / (heads / kv_heads)), fewer
// than 2³¹ rows of keys, scale > 0.
#pragma once

#include <cstddef>
#include <cstdint>

#include "backend/cuda/device/context.h"
#include "core/dtype.h"

namespace gptq::backend::cuda {

// The location of the keys and values of the sequences.
struct KvView {
  void* keys = nullptr;  // rows [.., Hkv·D]
  void* values = nullptr;
  int64_t stride = 0;  // elements between rows
  // Position j of sequence s is row pages[s][j / page_size] · page_size + j % page_size; without pages, row
  // row_starts[s] + j.
  const int32_t* pages = nullptr;  // device   [S, pages_per_sequence]
  int pages_per_sequence = 0;
  int page_size = 0;  // a power of two
};

// The heads and their scores, for both kernels.
struct HeadShape {
  int heads = 0, kv_heads = 0, head_dim = 0;
  float scale = 1.0f;
  float soft_cap = 0;  // scores become cap · tanh(score / cap); 0: unchanged
  int64_t window = 0;  // only keys i − window < j ≤ i of query position i; 0 = all
};

// Rows of the sequences of a ragged batch; the kernels' counterparts of BatchRows (backend/batch_rows.h).
struct RowsView {
  const int32_t* row_starts = nullptr;  // device   [S + 1]
  const int32_t* past = nullptr;        // device   [S]
  int sequences = 0;                    // S
};

// Sequences with at most this many rows are for the decode kernel, others for the prefill kernel.
inline constexpr int kMaxDecodeRows = 8;

// The fields common to all problems.
struct AttentionProblem {
  DType dtype = DType::kBF16;  // or kF16
  void* out = nullptr;         // [.., H·D]
  int64_t out_stride = 0;
  KvView kv;
  HeadShape shape;
};

struct PrefillProblem : AttentionProblem {
  const void* q = nullptr;  // rotated   [M, H·D]
  int64_t q_stride = 0;
  RowsView rows;
  int skipped_rows = 0;  // sequences with at most this many rows are skipped
  int64_t max_rows = 0;  // of any sequence
  int64_t max_keys = 0;  // of any sequence, including new ones
};

void launch_prefill_attention(const Context& context, const PrefillProblem& problem);

// A few new tokens for each of several sequences, in one launch. Launch shapes do not depend on the number of cached
// tokens. Keys and values are in pages.
struct DecodeAttentionProblem : AttentionProblem {
  int batch = 0;                 // B sequences
  float* workspace = nullptr;    // plan_decode_attention().workspace_floats, aligned to 16 bytes
  unsigned* counters = nullptr;  // plan_decode_attention().counters; zero before the first launch, and after each
  int splits = 1;                // maximum parts of a sequence, each one CTA per key head
  int query_rows = 16;           // (new token, head) pairs of a key head in a CTA: 16, or 32 if head_dim ≤ 128
};

// One new token of each sequence: norm and rotation of its q and k, storing its k and v, and attention over all
// keys so far and its own. A captured launch can be replayed as the cache grows.
struct FusedDecodeAttention : DecodeAttentionProblem {
  const void* qkv = nullptr;  // q | k | v, neither normalized nor rotated   [B, (H + 2·Hkv)·D]
  int64_t qkv_stride = 0;
  const int32_t* positions = nullptr;  // device: tokens in the cache = position of the new one   [B]
  const float* cos = nullptr;          // device   [max positions, rotary_dim / 2]
  const float* sin = nullptr;
  int rotary_dim = 0;
  bool interleaved = false;       // as in RopeArgs (backend/model_ops.h)
  const float* q_norm = nullptr;  // weight of the RMS norm of each head before rotation, or null   [D]
  const float* k_norm = nullptr;
  float q_norm_eps = 0.0f, k_norm_eps = 0.0f;
};

// Up to kMaxDecodeRows rotated queries of each sequence, whose keys and values are in the cache. Sequences with more
// rows are skipped.
struct RaggedDecodeAttention : DecodeAttentionProblem {
  const void* q = nullptr;  // [M, H·D]
  int64_t q_stride = 0;
  RowsView rows;
  int max_rows = 1;  // of a sequence that is not skipped
};

struct DecodeAttentionPlan {
  int splits = 1, query_rows = 16;
  size_t workspace_floats = 0;
  int counters = 0;
};
// `capacity`: maximum positions of a sequence in the cache. `max_rows`: of a sequence.
DecodeAttentionPlan plan_decode_attention(const Context& context, int batch, const HeadShape& shape, int max_rows,
                                          int64_t capacity);

// `dependent`: by programmatic dependent launch, if the device supports it. Data written by earlier kernels is read
// after they are done; the weights q_norm and k_norm are read before that.
void launch_decode_attention(const Context& context, const FusedDecodeAttention& problem, bool dependent);
void launch_decode_attention(const Context& context, const RaggedDecodeAttention& problem);

}  // namespace gptq::backend::cuda
