// The patterns that are fused into one launch, tried at each step.
#include "backend/cuda/decode/fuse.h"

#include <algorithm>

namespace gptq::backend::cuda {

namespace {

class Fuser {
 public:
  explicit Fuser(const LayerProgram& program) : program_(program) {}

  std::optional<std::vector<DecodeLaunch>> run() {
    while (at_ < program_.steps.size()) {
      if (take_attention() || take_linear() || take_single()) continue;
      return std::nullopt;
    }
    return launches_;
  }

 private:
  template <typename Step>
  const Step* step(size_t ahead) const {
    return at_ + ahead < program_.steps.size() ? std::get_if<Step>(&program_.steps[at_ + ahead]) : nullptr;
  }

  bool is_whole(const Columns& c) const {
    return c.begin == 0 && c.count == program_.slots[static_cast<size_t>(c.slot)].columns;
  }
  // Whether only one step reads the slot: it is then not needed if that step is fused with its writer.
  bool has_one_reader(int slot) const {
    const auto reads = [&](const LayerStep& step) {
      const Access access = access_of(program_, step);
      return std::any_of(access.reads.begin(), access.reads.end(), [&](const Columns& c) { return c.slot == slot; });
    };
    return std::count_if(program_.steps.begin(), program_.steps.end(), reads) == 1;
  }

  // An RMS norm of the residual stream without a bias.
  static bool is_plain_norm(const NormStep& norm) {
    return norm.kind == NormKind::kRms && norm.bias == kNoParameter && norm.in.slot == kResidual;
  }

  bool take_linear() {
    LinearLaunch launch;
    const NormStep* norm = step<NormStep>(0);
    const size_t front = norm != nullptr ? 1 : 0;
    const LinearStep* linear = step<LinearStep>(front);
    if (linear == nullptr) return false;
    const LinearSet& set = program_.linear_sets[static_cast<size_t>(linear->set)];
    if (norm != nullptr && !(is_plain_norm(*norm) && norm->out.slot == set.in && has_one_reader(set.in))) return false;
    launch.set = linear->set;
    launch.in = norm != nullptr ? kResidual : set.in;
    launch.out = set.out;
    if (norm != nullptr) launch.norm = *norm;
    at_ += front + 1;
    if (!has_one_reader(set.out)) return add(launch);
    const auto* activation = step<ActivationStep>(0);
    const auto* sum = step<AddStep>(0);
    if (activation != nullptr && activation->gated && activation->kind == Activation::kSilu &&
        is_whole(activation->in) && activation->in.slot == set.out && set.linears.size() == 2) {
      launch.gated = true;
      launch.out = activation->out.slot;
      ++at_;
    } else if (sum != nullptr && is_whole(sum->from) && sum->from.slot == set.out && set.linears.size() == 1) {
      launch.residual = true;
      launch.out = kResidual;
      ++at_;
    }
    return add(launch);
  }

  static bool same(const Columns& a, const Columns& b) {
    return a.slot == b.slot && a.begin == b.begin && a.count == b.count;
  }

  bool take_attention() {
    AttentionLaunch launch;
    size_t ahead = 0;
    const NormStep* norms[2] = {step<NormStep>(0), step<NormStep>(1)};
    const bool normed = norms[0] != nullptr && norms[1] != nullptr;
    if (normed) ahead = 2;
    const RopeStep *q = step<RopeStep>(ahead), *k = step<RopeStep>(ahead + 1);
    const AttentionStep* attention = step<AttentionStep>(ahead + 2);
    if (q == nullptr || k == nullptr || attention == nullptr) return false;
    if (!same(q->x, attention->q) || !same(k->x, attention->k)) return false;
    if (q->rotary_dim != k->rotary_dim || q->interleaved != k->interleaved || q->table != k->table) return false;
    // q, k and v must be adjacent columns.
    const Columns &a = attention->q, &b = attention->k, &c = attention->v;
    if (a.slot != b.slot || b.slot != c.slot || a.begin + a.count != b.begin || b.begin + b.count != c.begin)
      return false;
    if (normed) {
      for (const NormStep* norm : norms) {
        if (norm->kind != NormKind::kRms || norm->bias != kNoParameter || !same(norm->in, norm->out)) return false;
      }
      if (!same(norms[0]->in, a) || !same(norms[1]->in, b)) return false;
      launch.q_norm = *norms[0];
      launch.k_norm = *norms[1];
    }
    launch.attention = *attention;
    launch.rope = *q;
    at_ += ahead + 3;
    launches_.emplace_back(launch);
    return true;
  }

  bool take_single() {
    if (const auto* norm = step<NormStep>(0)) {
      if (!is_whole(norm->in) || same(norm->in, norm->out)) return false;
      launches_.emplace_back(*norm);
    } else if (const auto* activation = step<ActivationStep>(0)) {
      launches_.emplace_back(*activation);
    } else if (const auto* sum = step<AddStep>(0)) {
      launches_.emplace_back(*sum);
    } else {
      return false;
    }
    ++at_;
    return true;
  }

  bool add(const LinearLaunch& launch) {
    launches_.emplace_back(launch);
    return true;
  }

  const LayerProgram& program_;
  size_t at_ = 0;
  std::vector<DecodeLaunch> launches_;
};

}  // namespace

std::optional<std::vector<DecodeLaunch>> fuse(const LayerProgram& program) { return Fuser(program).run(); }

}  // namespace gptq::backend::cuda
