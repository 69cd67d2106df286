// The computation of one decoder layer as data: steps over named activations.
//
// Model families write programs (model/families). Three readers execute or analyse them: the eager interpreter
// (model/transformer.h), the CUDA decode fuser (backend/cuda/decode), and the memory plan of quantization
// (quantize/memory_plan.h). None of them depends on a family.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace gptq::backend {

enum class NormKind { kRms, kLayer };  // Zhang & Sennrich, arXiv 1910.07467; Ba et al., arXiv 1607.06450
enum class Activation { kSilu, kGelu, kGeluTanh, kRelu, kSquaredRelu };

// An activation: a matrix with one row per token of the batch. Slot 0 is the residual stream, F32; all others have
// the backend's activation_dtype().
struct Slot {
  std::string name;
  int64_t columns = 0;
  // Slots of one buffer are never alive at the same time. −1: the residual stream.
  int buffer = -1;
};
inline constexpr int kResidual = 0;

// Columns [begin, begin + count) of a slot.
struct Columns {
  int slot = 0;
  int64_t begin = 0, count = 0;
};

// A vector of the layer, F32 [size]: the stored tensor plus `offset` (Gemma stores the weights of norms minus one).
struct Parameter {
  std::string name;  // within the layer: "input_layernorm.weight"
  int64_t size = 0;
  float offset = 0;
};
inline constexpr int kNoParameter = -1;

struct LinearSpec {
  std::string name;          // within the layer: "self_attn.q_proj"
  int64_t in_features = 0;   // K
  int64_t out_features = 0;  // N
  bool bias = false;
};

// Linears that read the same input: one Hessian, one factorisation, one solve over their stacked rows. Their outputs
// are concatenated in the slot `out`.
struct LinearSet {
  std::string name;  // for progress and journals: "qkv"
  std::vector<LinearSpec> linears;
  std::vector<std::string> fused_names;  // modules into which other tools fuse some of them: "self_attn.qkv_proj"
  int in = 0, out = 0;                   // slots

  int64_t in_features() const { return linears.front().in_features; }
  int64_t out_features() const;  // of all linears
};

// out = norm(in) · weight + bias over each run of columns of the size of the weight: one run for the norm of a row,
// several for norms of heads. `out` may be `in`.
struct NormStep {
  Columns in, out;
  NormKind kind = NormKind::kRms;
  int weight = kNoParameter, bias = kNoParameter;  // parameters
  float eps = 0;
};

struct LinearStep {
  int set = 0;  // of LayerProgram::linear_sets
};

// Rotary position embedding of the first `rotary_dim` elements of each head, in place (Su et al., arXiv 2104.09864).
// Element i is rotated with element i + rotary_dim / 2, or with `interleaved` element 2·i with 2·i + 1.
struct RopeStep {
  Columns x;
  int64_t head_dim = 0, rotary_dim = 0;
  bool interleaved = false;
  int table = 0;  // of Architecture::ropes
};

// Causal attention of each sequence's rows to its positions up to their own; stores k and v in the cache, if any.
// Query head h reads key head h / (heads / kv_heads).
struct AttentionStep {
  Columns q, k, v, out;
  int heads = 0, kv_heads = 0, head_dim = 0;
  float scale = 1;     // multiplies the scores
  float soft_cap = 0;  // scores become cap · tanh(score / cap); 0: unchanged
  int64_t window = 0;  // position p sees position j when p − window < j ≤ p; 0: all j ≤ p
};

// out = f(in); gated: out = f(first half of in) · second half.
struct ActivationStep {
  Columns in, out;
  Activation kind = Activation::kSilu;
  bool gated = false;
};

// The residual stream += from.
struct AddStep {
  Columns from;
};

using LayerStep = std::variant<NormStep, LinearStep, RopeStep, AttentionStep, ActivationStep, AddStep>;

struct LayerProgram {
  std::vector<Slot> slots;
  std::vector<Parameter> parameters;
  std::vector<LinearSet> linear_sets;  // in the order of execution
  std::vector<LayerStep> steps;
  // Columns of each buffer. The first `kept_buffers` hold slots that are alive before some linear set and must be kept
  // if a pass stops there. The others are scratch.
  std::vector<int64_t> buffers;
  int kept_buffers = 0;

  int end() const { return static_cast<int>(steps.size()); }
  // The step that runs a linear set.
  int step_of(int set) const;
  // The first linear set that runs at or after a step; there must be one.
  int first_set_from(int step) const;
  // The last step at or before the set's step before which only the residual stream is alive: a pass that kept only the
  // residual stream restarts there to compute the set's input.
  int restart_before(int set) const;
  const AttentionStep& attention() const;  // the only one of the layer
  int64_t cache_columns() const { return int64_t{attention().kv_heads} * attention().head_dim; }
};

// The columns that a step reads and writes.
struct Access {
  std::vector<Columns> reads, writes;
};
Access access_of(const LayerProgram& program, const LayerStep& step);

}  // namespace gptq::backend
