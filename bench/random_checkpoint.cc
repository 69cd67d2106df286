// Every tensor is one task, filled from the random stream of its own name.
#include "bench/random_checkpoint.h"

#include <cmath>
#include <functional>
#include <numeric>
#include <vector>

#include "bench/random_numbers.h"
#include "checkpoint/packed_format.h"
#include "checkpoint/writer.h"
#include "core/json.h"
#include "model/families.h"
#include "quantize/module_plan.h"

namespace gptq::bench {

using backend::LinearSet;
using backend::LinearSpec;
using backend::Parameter;
using checkpoint::CheckpointWriter;

namespace {

constexpr double kDeviation = 0.02;
constexpr int64_t kMaxShardBytes = 1'000'000'000;  // the system writes one file from one thread at a time

// A tensor's memory is kept by its thread for the next one: fresh pages cost more than the numbers in them.
template <typename T>
T* scratch(int64_t count) {
  thread_local std::vector<T> memory;
  if (memory.size() < static_cast<size_t>(count)) memory.resize(static_cast<size_t>(count));
  return memory.data();
}

class Generator {
 public:
  Generator(const RandomCheckpoint& wanted, const fs::path& folder)
      : wanted_(wanted),
        folder_(folder),
        architecture_(model::read_architecture(Json(wanted.config), "the given config.json")),
        plain_(kDeviation, converter()),
        residual_(residual_deviation(), converter()) {
    options_.grid = wanted.grid.value_or(GridOptions{});
    if (wanted.grid) plan_ = quantization::plan_modules(architecture_, options_);
  }

  void run(ThreadPool& pool) {
    list();
    CheckpointWriter writer(folder_, specs_, kMaxShardBytes);
    mix_tasks();
    pool.parallel_for(static_cast<int64_t>(tasks_.size()), [&](int64_t i) { tasks_[static_cast<size_t>(i)](writer); });
    writer.finish();
    OrderedJson config = wanted_.config;
    config["torch_dtype"] = wanted_.dtype == DType::kF16 ? "float16" : "bfloat16";
    if (!wanted_.grid) return write_file_atomic(folder_ / "config.json", config.dump(2) + "\n");
    checkpoint::QuantizeConfig quantize = quantization::make_quantize_config(plan_, options_);
    *quantize.meta = {{"quantizer", Json::array({"make_model (random weights)"})}};
    checkpoint::write_configs(folder_, config, quantize);
  }

 private:
  using Task = std::function<void(CheckpointWriter&)>;

  std::function<uint16_t(float)> converter() const {
    if (wanted_.dtype == DType::kF16) return [](float value) { return to_half(value).bits; };
    return [](float value) { return to_bfloat16(value).bits; };
  }

  double residual_deviation() const { return kDeviation / std::sqrt(2.0 * static_cast<double>(architecture_.layers)); }

  bool writes_residual(const LinearSet& set) const { return set.out_features() == architecture_.hidden_size; }

  void list() {
    const model::Architecture& a = architecture_;
    add_normal(a.names.embedding, {a.vocab_size, a.hidden_size}, plain_);
    if (!a.tied_head) add_normal(a.names.head + ".weight", {a.vocab_size, a.hidden_size}, plain_);
    if (!a.tied_head && a.head_bias) add_normal(a.names.head + ".bias", {a.vocab_size}, plain_);
    for (const Parameter& parameter : a.final_parameters) add_parameter("", parameter);
    for (int64_t layer = 0; layer < a.layers; ++layer) {
      const std::string prefix = a.layer_prefix(layer);
      const backend::LayerProgram& program = a.program(layer);
      for (const Parameter& parameter : program.parameters) add_parameter(prefix, parameter);
      for (size_t s = 0; s < program.linear_sets.size(); ++s) {
        const LinearSet& set = program.linear_sets[s];
        const auto grid =
            wanted_.grid ? plan_.layers[static_cast<size_t>(layer)].sets[s].grid : std::optional<GridOptions>{};
        for (const LinearSpec& linear : set.linears) {
          if (grid) {
            add_packed(prefix, set, linear, *grid);
            continue;
          }
          add_normal(prefix + linear.name + ".weight", {linear.out_features, linear.in_features},
                     writes_residual(set) ? residual_ : plain_);
          if (linear.bias) add_normal(prefix + linear.name + ".bias", {linear.out_features}, plain_);
        }
      }
    }
  }

  // Neighbours lie in one shard: out of order, the threads write to different ones.
  void mix_tasks() {
    const RandomStream random(0, "tasks");
    for (size_t i = tasks_.size(); i > 1; --i) {
      std::swap(tasks_[i - 1], tasks_[random[static_cast<int64_t>(i)] % i]);
    }
  }

  void add_normal(const std::string& name, const Shape& shape, const NormalTable& table) {
    specs_.push_back({name, wanted_.dtype, shape});
    tasks_.push_back([this, name, shape, &table](CheckpointWriter& writer) {
      uint16_t* values = scratch<uint16_t>(element_count(shape));
      table.fill(RandomStream(wanted_.seed, name), values, element_count(shape));
      writer.write(name, {wanted_.dtype, shape, reinterpret_cast<const std::byte*>(values)});
    });
  }

  // Norms multiply by one and add nothing.
  void add_parameter(const std::string& prefix, const Parameter& parameter) {
    const std::string name = prefix + parameter.name;
    const float value = name.ends_with(".bias") ? 0.0f : 1.0f - parameter.offset;
    specs_.push_back({name, wanted_.dtype, {parameter.size}});
    tasks_.push_back([this, name, value, size = parameter.size](CheckpointWriter& writer) {
      const std::vector<uint16_t> values(static_cast<size_t>(size), converter()(value));
      writer.write(name, {wanted_.dtype, {size}, reinterpret_cast<const std::byte*>(values.data())});
    });
  }

  void add_packed(const std::string& prefix, const LinearSet& set, const LinearSpec& linear, const GridOptions& grid) {
    const std::string module = prefix + linear.name;
    const auto specs = checkpoint::packed_specs(module, linear.in_features, linear.out_features, grid.bits,
                                                grid.group_size, linear.bias);
    specs_.insert(specs_.end(), specs.begin(), specs.end());
    const double deviation = writes_residual(set) ? residual_deviation() : kDeviation;
    tasks_.push_back([this, order = prefix + set.name, deviation, linear, grid, module](CheckpointWriter& writer) {
      PackedWeight w = random_packed(module, linear, grid, deviation);
      fill_g_idx(w, RandomStream(wanted_.seed, order), grid.desc_act);
      checkpoint::for_each_stored(w, module, plan_.format, [&](const std::string& name, const TensorView& tensor) {
        writer.write(name, tensor);
      });
    });
  }

  PackedWeight random_packed(const std::string& module, const LinearSpec& linear, const GridOptions& grid,
                             double deviation) const {
    const int64_t k = linear.in_features, n = linear.out_features, groups = GroupSize(grid.group_size).groups(k);
    PackedWeight w;
    w.bits = grid.bits;
    w.in_features = k;
    w.out_features = n;
    w.group_size = GroupSize(grid.group_size).columns(k);
    w.qweight = Tensor(DType::kI32, {k * grid.bits / 32, n});
    w.qzeros = Tensor(DType::kI32, {groups, n * grid.bits / 32});
    w.scales = Tensor(DType::kF16, {groups, n});
    w.g_idx = Tensor(DType::kI32, {k});
    fill_codes(w, RandomStream(wanted_.seed, module + ".qweight"), grid.sym);

    const RandomStream random(wanted_.seed, module + ".scales");
    const double scale = deviation / code_deviation(grid.bits, grid.sym);
    const uint32_t middle = 1u << (grid.bits - 1);
    for (int64_t g = 0; g < groups; ++g) {
      for (int64_t i = 0; i < n; ++i) {
        const uint64_t bits = random[g * n + i];
        const double spread = 0.8 + 0.4 * static_cast<double>(bits >> 11) * 0x1p-53;
        w.scales.values<Half>()[static_cast<size_t>(g * n + i)] = to_half(static_cast<float>(scale * spread));
        // Uniform codes have their mean half a step below the middle: zeros on both sides of it make up for that.
        const uint32_t zero = grid.sym ? middle : middle - static_cast<uint32_t>(bits & 1);
        pack_field(w.qzeros.values<int32_t>().data() + g * n * grid.bits / 32, i, grid.bits, zero);
      }
    }
    if (linear.bias) {
      w.bias = Tensor(DType::kF32, {n});
      std::vector<uint16_t> bits(static_cast<size_t>(n));
      plain_.fill(RandomStream(wanted_.seed, module + ".bias"), bits.data(), n);
      for (size_t i = 0; i < bits.size(); ++i) {
        w.bias.values<float>()[i] =
            wanted_.dtype == DType::kF16 ? to_float(Half{bits[i]}) : to_float(BFloat16{bits[i]});
      }
    }
    return w;
  }

  // Uniform codes. On a symmetric grid the lowest one becomes the middle: it has no counterpart above, and the mean
  // that it would give every row grows from layer to layer.
  static void fill_codes(PackedWeight& w, const RandomStream& random, bool sym) {
    const std::span<int32_t> words = w.qweight.values<int32_t>();
    if (32 % w.bits == 0) {
      uint32_t low = 0;  // the lowest bit of every field
      for (int shift = 0; shift < 32; shift += w.bits) low |= 1u << shift;
      for (size_t i = 0; i < words.size(); ++i) {
        const uint64_t pair = random[static_cast<int64_t>(i / 2)];
        uint32_t word = static_cast<uint32_t>(i % 2 == 0 ? pair : pair >> 32);
        uint32_t any = word;
        for (int bit = 1; bit < w.bits; ++bit) any |= word >> bit;
        if (sym) word |= (~any & low) << (w.bits - 1);
        words[i] = static_cast<int32_t>(word);
      }
      return;
    }
    const uint32_t mask = (1u << w.bits) - 1, middle = 1u << (w.bits - 1);
    for (int64_t k = 0; k < w.in_features; ++k) {
      for (int64_t n = 0; n < w.out_features; ++n) {
        uint32_t code = static_cast<uint32_t>(random[k * w.out_features + n]) & mask;
        if (sym && code == 0) code = middle;
        pack_field(words.data() + n, k, w.bits, code, w.out_features);
      }
    }
  }

  static double code_deviation(int bits, bool sym) {
    const double levels = std::exp2(bits), middle = levels / 2;
    if (!sym) return std::sqrt((levels * levels - 1) / 12);
    return std::sqrt((middle - 1) * middle * (2 * middle - 1) / 3 / levels);  // of −(middle−1) … middle−1, twice 0
  }

  // With activation order, columns belong to groups in an order that the linears of one input share.
  static void fill_g_idx(PackedWeight& w, const RandomStream& random, bool desc_act) {
    std::vector<int64_t> order(static_cast<size_t>(w.in_features));
    std::iota(order.begin(), order.end(), 0);
    for (size_t i = order.size(); desc_act && i > 1; --i) {
      std::swap(order[i - 1], order[random[static_cast<int64_t>(i)] % i]);
    }
    for (size_t i = 0; i < order.size(); ++i) {
      w.g_idx.values<int32_t>()[static_cast<size_t>(order[i])] =
          static_cast<int32_t>(static_cast<int64_t>(i) / w.group_size);
    }
  }

  const RandomCheckpoint& wanted_;
  fs::path folder_;
  model::Architecture architecture_;
  NormalTable plain_, residual_;
  QuantizeOptions options_;
  quantization::ModelPlan plan_;
  std::vector<checkpoint::TensorSpec> specs_;
  std::vector<Task> tasks_;
};

}  // namespace

void write_random_checkpoint(const RandomCheckpoint& wanted, const fs::path& folder, ThreadPool& pool) {
  Generator(wanted, folder).run(pool);
}

}  // namespace gptq::bench
