// The GPTQ column loop (gptq_ops.h: solve_columns) in vector types, 16 rows of W in 16 lanes; follows kernels.inl.
//
//   work     every element of U is multiplied with 16 rows by broadcast FMA; strips of rows are independent
//   blocks   128 columns are finished before their errors are applied to the rest of the row (cache locality)
//   search   a candidate scale is tried on the whole group with its own error feedback, so that the actual losses of
//            GPTQ are compared; without feedback for groups longer than 256 columns

static inline F32 min_lanes(F32 a, F32 b) { return a < b ? a : b; }
static inline F32 max_lanes(F32 a, F32 b) { return a > b ? a : b; }
static inline F32 round_lanes(F32 x) {  // to nearest even, for |x| < 2^22
  const F32 magic = broadcast(0x1.8p23f);
  return (x + magic) - magic;
}

// The nearest fp16 value of a positive x, between the smallest and the largest one. Below 2^-14, the smallest normal
// number, steps are 2^-24 wide: with 8 bits this occurs if the largest weight of a group is below 0.008.
static inline F32 round_to_half(F32 x) {
  const U32 bits = as_bits(x);
  const F32 normal = as_float((bits + 0xFFFu + ((bits >> 13) & 1u)) & ~0x1FFFu);
  const F32 subnormal = (x + 0.5f) - 0.5f;
  const F32 rounded = x < 0x1p-14f ? subnormal : normal;
  return min_lanes(max_lanes(rounded, broadcast(0x1p-24f)), broadcast(65504.0f));
}

struct GridLanes {
  F32 scale, zero;
};

static inline float highest_code(const GptqStrip& s) { return static_cast<float>((1 << s.bits) - 1); }

static inline F32 clamp_zero(const GptqStrip& s, F32 zero) {
  return min_lanes(max_lanes(zero, broadcast(s.lowest_zero)), broadcast(highest_code(s)));
}

static inline F32 code_of(F32 w, const GridLanes& grid, float highest) {
  const F32 reach = broadcast(4096.0f);  // keeps the rounding trick in range
  const F32 steps = round_lanes(min_lanes(max_lanes(w / grid.scale, -reach), reach));
  return min_lanes(max_lanes(steps + grid.zero, F32{}), broadcast(highest));
}

static inline GridLanes grid_of_range(const GptqStrip& s, F32 low, F32 high) {
  const float highest = highest_code(s);
  if (s.sym) return {round_to_half(max_lanes(-low, high) * (2.0f / highest)), broadcast((highest + 1) / 2)};
  const F32 scale = round_to_half((high - low) / highest);
  return {scale, clamp_zero(s, round_lanes(-low / scale))};
}

static inline bool any_below(F32 a, F32 b) {
  const I32 below = a < b;
  int32_t any = 0;
  for (int i = 0; i < kLanes; ++i) any |= below[i];
  return any != 0;
}

// Losses of kWidth columns from `first` of a group that starts at `begin`, added to `loss`; errors of the group's earlier
// columns are read from s.scratch, those of these columns are stored there.
template <int kWidth>
static inline F32 trial_columns(const GptqStrip& s, int64_t begin, int64_t first, const GridLanes& grid, bool weighted,
                                bool feedback, F32 loss) {
  // Codes minus zero: clamped before rounding to the integers at both ends, which gives the same result.
  const F32 lowest = -grid.zero, highest = highest_code(s) - grid.zero, inverse = 1.0f / grid.scale;
  const float* factor = s.factor + begin * s.columns + begin + first;
  F32 x[kWidth];
  for (int c = 0; c < kWidth; ++c) x[c] = load(s.w + (begin + first + c) * kStripRows);
  for (int64_t i = 0; feedback && i < first; ++i) {
    const F32 error = load(s.scratch + i * kStripRows);
    const float* u = factor + i * s.columns;
    for (int c = 0; c < kWidth; ++c) x[c] -= error * u[c];
  }
  for (int j = 0; j < kWidth; ++j) {
    const float* u = factor + (first + j) * s.columns;
    const F32 steps = round_lanes(min_lanes(max_lanes(x[j] * inverse, lowest), highest));
    const F32 difference = x[j] - grid.scale * steps;
    const F32 error = weighted ? difference * (1.0f / u[j]) : difference;
    loss += error * error;
    if (!feedback) continue;
    store(s.scratch + (first + j) * kStripRows, error);
    for (int c = j + 1; c < kWidth; ++c) x[c] -= error * u[c];
  }
  return loss;
}

// The loss of quantizing columns [begin, begin + count) of each row with `grid`: Σ (w − q)² or Σ ((w − q) / U_jj)².
// Stops when no row can be below `limit`: losses only increase.
static F32 trial_loss(const GptqStrip& s, int64_t begin, int64_t count, const GridLanes& grid, F32 limit) {
  constexpr int kWidth = 4;
  const bool weighted = s.clip == Clip::kHessian;
  const bool feedback = weighted && count <= 256;
  F32 loss{};
  int64_t first = 0;
  for (; first + kWidth <= count; first += kWidth) {
    loss = trial_columns<kWidth>(s, begin, first, grid, weighted, feedback, loss);
    if (!any_below(loss, limit)) return loss;
  }
  for (; first < count; ++first) loss = trial_columns<1>(s, begin, first, grid, weighted, feedback, loss);
  return loss;
}

// Scale and zero of a group from the current weights of columns [begin, begin + count).
static GridLanes find_grid(const GptqStrip& s, int64_t begin, int64_t count) {
  F32 low{}, high{};
  for (int64_t j = begin; j < begin + count; ++j) {
    const F32 x = load(s.w + j * kStripRows);
    low = min_lanes(low, x);
    high = max_lanes(high, x);
  }
  const I32 empty = low == high;
  low = empty ? broadcast(-1.0f) : low;
  high = empty ? broadcast(1.0f) : high;

  GridLanes best = grid_of_range(s, low, high);
  if (s.clip == Clip::kNone) return best;
  F32 best_loss = trial_loss(s, begin, count, best, broadcast(__builtin_inff()));
  const auto consider = [&](const GridLanes& grid) {
    const F32 loss = trial_loss(s, begin, count, grid, best_loss);
    const I32 better = loss < best_loss;
    best_loss = better ? loss : best_loss;
    best.scale = better ? grid.scale : best.scale;
    best.zero = better ? grid.zero : best.zero;
  };
  // Both ends of the range times p. p exceeds 1 because the symmetric grid has one code less on its positive side.
  const float least = s.bits == 2 ? 0.35f : s.bits == 3 ? 0.5f : s.bits == 4 ? 0.65f : 0.9f;
  const float most = s.bits == 2 ? 1.5f : s.bits == 3 ? 1.3f : s.bits == 4 ? 1.15f : 1.01f;
  constexpr int kSteps = 24;
  for (int i = 0; i < kSteps; ++i) {
    const float p = most - (most - least) * static_cast<float>(i) / (kSteps - 1);
    consider(grid_of_range(s, low * p, high * p));
  }
  // The two ends may shrink differently: search around the best asymmetric grid.
  for (int round = 0; round < (s.sym ? 0 : 3); ++round) {
    const GridLanes center = best;
    const float step = (most - least) * (round == 0 ? 0.08f : round == 1 ? 0.04f : 0.02f);
    for (int dz = -1; dz <= 1; ++dz) {
      for (int ds = -1; ds <= 1; ++ds) {
        if (dz == 0 && ds == 0) continue;
        consider({round_to_half(center.scale * (1.0f + step * static_cast<float>(ds))),
                  clamp_zero(s, center.zero + static_cast<float>(dz))});
      }
    }
  }
  return best;
}

// Applies the errors of the finished block [begin, end) to columns [end, K).
static void update_later_columns(const GptqStrip& s, const float* errors, int64_t begin, int64_t end) {
  constexpr int kWidth = 8;
  int64_t c = end;
  for (; c + kWidth <= s.columns; c += kWidth) {
    F32 sums[kWidth];
    for (int i = 0; i < kWidth; ++i) sums[i] = load(s.w + (c + i) * kStripRows);
    for (int64_t j = begin; j < end; ++j) {
      const F32 error = load(errors + (j - begin) * kStripRows);
      const float* u = s.factor + j * s.columns + c;
      for (int i = 0; i < kWidth; ++i) sums[i] -= error * u[i];
    }
    for (int i = 0; i < kWidth; ++i) store(s.w + (c + i) * kStripRows, sums[i]);
  }
  for (; c < s.columns; ++c) {
    F32 sum = load(s.w + c * kStripRows);
    for (int64_t j = begin; j < end; ++j) {
      sum -= load(errors + (j - begin) * kStripRows) * s.factor[j * s.columns + c];
    }
    store(s.w + c * kStripRows, sum);
  }
}

static int64_t group_end(const GptqStrip& s, int64_t j) {
  int64_t end = j + 1;
  while (end < s.columns && s.group[end] == s.group[j]) ++end;
  return end;
}

// A block ends before a group that would not end inside it: a scale search needs all columns of the group up to date.
static int64_t block_end(const GptqStrip& s, int64_t begin, int64_t block) {
  const int64_t end = begin + block < s.columns ? begin + block : s.columns;
  if (s.given_scales) return end;
  for (int64_t j = begin + 1; j < end; ++j) {
    if (s.group[j] != s.group[j - 1] && group_end(s, j) > end) return j;
  }
  return end;
}

static void gptq_strip(const GptqStrip& s) {
  constexpr int64_t kBlock = 128;
  const float highest = highest_code(s);
  alignas(64) float errors[kBlock * kStripRows];
  GridLanes grid{};
  for (int64_t begin = 0, end; begin < s.columns; begin = end) {
    end = block_end(s, begin, kBlock);
    for (int64_t j = begin; j < end; ++j) {
      if (j == 0 || s.group[j] != s.group[j - 1]) {
        float* scales = s.scales + s.group[j] * kStripRows;
        float* zeros = s.zeros + s.group[j] * kStripRows;
        if (!s.given_scales) {
          const GridLanes found = find_grid(s, j, group_end(s, j) - j);
          store(scales, found.scale);
          store(zeros, found.zero);
        }
        grid = {load(scales), load(zeros)};
      }
      const float* u = s.factor + j * s.columns;
      const F32 w = load(s.w + j * kStripRows);
      const F32 code = code_of(w, grid, highest);
      const F32 q = grid.scale * (code - grid.zero);
      const F32 error = (w - q) / u[j];
      for (int i = 0; i < kStripRows; ++i) s.codes[j * kStripRows + i] = static_cast<uint8_t>(code[i]);
      store(s.w + j * kStripRows, q);
      store(errors + (j - begin) * kStripRows, error);
      for (int64_t c = j + 1; c < end; ++c) {
        store(s.w + c * kStripRows, load(s.w + c * kStripRows) - error * u[c]);
      }
    }
    update_later_columns(s, errors, begin, end);
  }
}
