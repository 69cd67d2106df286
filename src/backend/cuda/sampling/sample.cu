// The sampling chain of backend/sampling/sample.h, one block of threads for each sequence.
//
// Every cut and the draw need the first key at which a sum of weights reaches a target. `find` determines it by radix
// descent: it sums the weights for each value of the key's first byte, selects the byte at which the cumulative sum
// reaches the target, and continues with the next byte until one key is left. All sums are integers, so the order of
// atomics has no effect.
//
// The results are nearly always close to the best token. The row of logits is therefore read twice: for its maximum,
// and to list the keys above a threshold derived from the maxima of the threads. The descents use that list in shared
// memory, and the whole row only if the list is too short.
#include <cuda_runtime.h>

#include <cmath>

#include "backend/cuda/runtime/launch.h"
#include "backend/cuda/runtime/ptx.cuh"
#include "backend/cuda/sampling/sample.h"
#include "backend/sampling/sample.h"
#include "core/check.h"

namespace gptq::backend::cuda {

namespace {

constexpr int kThreads = 1024;
constexpr int kWarps = kThreads / 32;
constexpr int kListed = 2048;  // capacity of the list
constexpr int kLeaders = 512;  // maximum number of threads whose maxima are in the list
constexpr int kValues = 256;   // of a byte
constexpr int kPartBits =
    11;  // of a weight: 2²¹ parts sum within 32 bits; atomics on 64 bits of shared memory are loops
constexpr int kParts = 4;
constexpr uint64_t kNoKey = ~uint64_t{0};
static_assert(kMaxWeight >> (kParts * kPartBits) == 0);

struct Shared {
  uint64_t list[kListed];
  uint32_t members[kValues];
  uint32_t parts[kParts][kValues];
  uint64_t sum_of_warp[kWarps];
  float best_of_warp[kWarps];
  int id_of_warp[kWarps];
  int listed;
  int value;        // of the byte at which the sum reaches the target; −1: it does not
  uint64_t before;  // the sum of the weights of smaller keys
  uint64_t key;     // the remaining key
  double uniform;
};

struct Row {
  const float* logits;
  const uint8_t* seen;
  float penalty;
  int vocabulary;

  __device__ float logit(int id) const { return penalized(logits[id], penalty != 1.0f && seen[id] != 0); }

  // Calls use(id, logit) for every kThreads-th id, beginning with this thread's. Loads are issued together.
  template <typename Use>
  __device__ void for_mine(const Use& use) const {
    constexpr int kTogether = 8;
    for (int first = static_cast<int>(threadIdx.x); first < vocabulary; first += kTogether * kThreads) {
      float values[kTogether];
      bool marks[kTogether];
#pragma unroll
      for (int j = 0; j < kTogether; ++j) {
        const int id = first + j * kThreads;
        values[j] = id < vocabulary ? logits[id] : 0;
        marks[j] = penalty != 1.0f && id < vocabulary && seen[id] != 0;
      }
#pragma unroll
      for (int j = 0; j < kTogether; ++j) {
        const int id = first + j * kThreads;
        if (id < vocabulary) use(id, penalized(values[j], marks[j]));
      }
    }
  }

 private:
  __device__ float penalized(float logit, bool was_seen) const {
    if (was_seen) logit = logit > 0 ? __fdiv_rn(logit, penalty) : __fmul_rn(logit, penalty);
    return fmaxf(logit, -INFINITY);  // NaN is ignored
  }
};

// The keys of a list or, without one, of a row; in any order.
struct Keys {
  const uint64_t* list;
  int count;
  Row row;
  float best, scale;

  __device__ uint64_t at(int i) const {
    if (list != nullptr) return list[i];
    const uint32_t log_gap = log_gap_of(row.logit(i), best, scale);
    return log_gap < kLogGaps ? rank_key(log_gap, i) : kNoKey;
  }
};

enum class Weigh { kTokens, kWeight };

struct Found {
  uint64_t key;      // kNoKey if the sum of all weights is less than the target
  uint64_t through;  // the sum of the weights up to the key
};

__device__ uint64_t block_sum(uint64_t value, Shared& s) {
  for (int offset = 16; offset > 0; offset /= 2) value += __shfl_xor_sync(~0u, value, offset);
  if (threadIdx.x % 32 == 0) s.sum_of_warp[threadIdx.x / 32] = value;
  __syncthreads();
  uint64_t total = 0;
  for (int w = 0; w < kWarps; ++w) total += s.sum_of_warp[w];
  __syncthreads();
  return total;
}

// The sum over this thread and those before it.
__device__ uint64_t sum_up_to_mine(uint64_t value, Shared& s) {
  const unsigned lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  for (unsigned offset = 1; offset < 32; offset *= 2) {
    const uint64_t other = __shfl_up_sync(~0u, value, offset);
    if (lane >= offset) value += other;
  }
  if (lane == 31) s.sum_of_warp[warp] = value;
  __syncthreads();
  for (unsigned w = 0; w < warp; ++w) value += s.sum_of_warp[w];
  return value;
}

__device__ uint64_t weight_under(int value, Weigh weigh, const Shared& s) {
  if (weigh == Weigh::kTokens) return s.members[value];
  uint64_t weight = 0;
  for (int part = 0; part < kParts; ++part) weight += uint64_t{s.parts[part][value]} << (part * kPartBits);
  return weight;
}

__device__ void add_weight(int value, uint64_t key, Weigh weigh, Shared& s) {
  atomicAdd(&s.members[value], 1u);
  if (weigh == Weigh::kTokens) return;
  const uint64_t weight = weight_of(log_gap_of_key(key));
  for (int part = 0; part < kParts; ++part) {
    const uint32_t bits = static_cast<uint32_t>(weight >> (part * kPartBits)) & ((1u << kPartBits) - 1);
    if (bits != 0) atomicAdd(&s.parts[part][value], bits);
  }
}

// The first key in ascending order at which the cumulative weight reaches `target` > 0. By all threads; not inlined,
// because loading instructions takes time too.
__device__ __noinline__ Found find(const Keys& keys, Weigh weigh, uint64_t target, Shared& s) {
  uint64_t prefix = 0, before = 0;  // the known bytes; the weight of the keys before them
  for (int shift = 56;; shift -= 8) {
    const auto has_prefix = [&](uint64_t key) { return shift == 56 || key >> (shift + 8) == prefix; };
    __syncthreads();
    if (threadIdx.x < kValues) {
      s.members[threadIdx.x] = 0;
      for (int part = 0; part < kParts; ++part) s.parts[part][threadIdx.x] = 0;
    }
    if (threadIdx.x == 0) s.value = -1;
    __syncthreads();
#pragma unroll 1
    for (int i = static_cast<int>(threadIdx.x); i < keys.count; i += kThreads) {
      const uint64_t key = keys.at(i);
      if (key != kNoKey && has_prefix(key)) add_weight(static_cast<int>(key >> shift & 0xff), key, weigh, s);
    }
    __syncthreads();
    const uint64_t weight = threadIdx.x < kValues ? weight_under(static_cast<int>(threadIdx.x), weigh, s) : 0;
    const uint64_t through = before + sum_up_to_mine(weight, s);
    if (through - weight < target && target <= through) {
      s.value = static_cast<int>(threadIdx.x);
      s.before = through - weight;
    }
    __syncthreads();
    if (s.value < 0) return {kNoKey, 0};
    prefix = prefix << 8 | static_cast<uint64_t>(s.value);
    before = s.before;
    if (s.members[s.value] == 1) {
#pragma unroll 1
      for (int i = static_cast<int>(threadIdx.x); i < keys.count; i += kThreads) {
        const uint64_t key = keys.at(i);
        if (key != kNoKey && key >> shift == prefix) s.key = key;
      }
      __syncthreads();
      const uint64_t key = s.key;
      return {key, before + (weigh == Weigh::kTokens ? 1 : weight_of(log_gap_of_key(key)))};
    }
  }
}

// The weight of the keys up to `last` whose weight is at least `least`. By all threads.
__device__ __noinline__ uint64_t sum_mass(const Keys& keys, uint64_t last, uint64_t least, Shared& s) {
  uint64_t sum = 0;
#pragma unroll 1
  for (int i = static_cast<int>(threadIdx.x); i < keys.count; i += kThreads) {
    const uint64_t key = keys.at(i), weight = weight_of(log_gap_of_key(key));
    if (key <= last && weight >= least) sum += weight;
  }
  return block_sum(sum, s);
}

// The highest logit and its id, the lowest id of equals; `mine` is the highest that this thread has read.
__device__ void find_best(const Row& row, float& best, int& id, float& mine, Shared& s) {
  best = -INFINITY;
  id = 0;
  row.for_mine([&](int i, float logit) {
    if (logit > best) best = logit, id = i;
  });
  mine = best;
  const auto keep_better = [&](float other, int other_id) {
    if (other > best || (other == best && other_id < id)) best = other, id = other_id;
  };
  const auto reduce = [&] {
    for (int offset = 16; offset > 0; offset /= 2) {
      const float other = __shfl_xor_sync(~0u, best, offset);
      keep_better(other, __shfl_xor_sync(~0u, id, offset));
    }
  };
  reduce();
  if (threadIdx.x % 32 == 0) s.best_of_warp[threadIdx.x / 32] = best, s.id_of_warp[threadIdx.x / 32] = id;
  __syncthreads();
  best = s.best_of_warp[threadIdx.x % 32];
  id = s.id_of_warp[threadIdx.x % 32];
  reduce();
}

// The id drawn at `s.uniform`.
__device__ int draw(const Row& row, const Sampling& sampling, float best, float mine, Shared& s) {
  const float scale = log_gap_scale(sampling.temperature);
  const Keys whole{nullptr, row.vocabulary, row, best, scale};

  // The list: all keys up to the log_gap of the `leaders`-th best of the threads' maxima.
  const uint32_t my_depth = log_gap_of(mine, best, scale);
  s.list[threadIdx.x] = my_depth < kLogGaps ? rank_key(my_depth, static_cast<int>(threadIdx.x)) : kNoKey;
  if (threadIdx.x == 0) s.listed = 0;
  const int leaders = sampling.top_k > 0 && sampling.top_k < kLeaders ? sampling.top_k : kLeaders;
  const uint64_t threshold = find({s.list, kThreads, row, best, scale}, Weigh::kTokens, leaders, s).key;
  const uint32_t deepest = threshold == kNoKey ? kLogGaps - 1 : log_gap_of_key(threshold);
  uint64_t weight = 0;
  row.for_mine([&](int i, float logit) {
    const uint32_t log_gap = log_gap_of(logit, best, scale);
    if (sampling.top_k == 0) weight += weight_of(log_gap);
    if (log_gap > deepest) return;
    const int slot = atomicAdd(&s.listed, 1);
    if (slot < kListed) s.list[slot] = rank_key(log_gap, i);
  });
  __syncthreads();
  const bool listed = s.listed <= kListed;
  const Keys near = listed ? Keys{s.list, s.listed, row, best, scale} : whole;
  const auto find_anywhere = [&](Weigh weigh, uint64_t target) {
    const Found found = find(near, weigh, target, s);
    return found.key != kNoKey || !listed ? found : find(whole, weigh, target, s);
  };
  const auto sum_anywhere = [&](uint64_t last, uint64_t least) {
    const bool enough = log_gap_of_key(last) <= deepest || weight_of(deepest) < least;
    return sum_mass(enough ? near : whole, last, least, s);
  };

  if (sampling.top_k == 0) {
    weight = block_sum(weight, s);
  } else {
    const uint64_t last = find_anywhere(Weigh::kTokens, static_cast<uint64_t>(sampling.top_k)).key;
    weight = sum_anywhere(last, 1);
  }
  if (sampling.top_p < 1) weight = find_anywhere(Weigh::kWeight, top_p_target(sampling.top_p, weight)).through;
  if (sampling.min_p > 0) {
    const uint64_t likely = sum_anywhere(kNoKey, min_p_weight(sampling.min_p));
    if (likely < weight) weight = likely;
  }
  return id_of_key(find_anywhere(Weigh::kWeight, draw_target(s.uniform, weight)).key);
}

__global__ void __launch_bounds__(kThreads) choose_kernel(const SampleArgs p) {
  __shared__ Shared s;
  const Sampling sampling = p.sampling[blockIdx.x];
  // Requested now, used after the row was read: host memory has a high latency.
  const double uniform = sampling.temperature > 0 && threadIdx.x == 0 ? p.uniforms[blockIdx.x] : 0;
  const float penalty = sampling.repetition_penalty;
  uint8_t* seen = p.seen + int64_t{blockIdx.x} * p.vocabulary;
  const Row row{p.logits + blockIdx.x * p.stride, seen, penalty, p.vocabulary};
  wait_for_previous();
  float best, mine;
  int id;
  find_best(row, best, id, mine, s);
  if (threadIdx.x == 0) s.uniform = uniform;
  const bool finite = isfinite(best);  // the same for all threads
  if (finite && sampling.temperature > 0) id = draw(row, sampling, best, mine, s);
  if (threadIdx.x != 0) return;
  if (!finite) id = 0;
  p.tokens[blockIdx.x] = id;
  if (p.positions != nullptr) p.positions[blockIdx.x] += 1;
  if (p.record != nullptr) p.record[blockIdx.x] = finite ? id : kNoToken;
  if (finite && penalty != 1.0f) seen[id] = 1;
}

}  // namespace

void launch_sample(const Context& context, const SampleArgs& problem, bool dependent) {
  CHECK(problem.vocabulary <= 1 << (32 - kPartBits));
  launch_kernel(context, choose_kernel, dim3(static_cast<unsigned>(problem.batch)), kThreads, 0, dependent, problem);
}

}  // namespace gptq::backend::cuda
