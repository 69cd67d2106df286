// The first verb: a model folder in, a quantized checkpoint folder out.
#include <gptq/quantize.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <set>

#include <gptq/error.h>
#include <gptq/gptq.h>
#include <gptq/tokenizer.h>

#include "checkpoint/packed_format.h"
#include "core/hash.h"
#include "core/log.h"
#include "hub/origin.h"
#include "model/families.h"
#include "quantize/estimate.h"
#include "quantize/journal.h"
#include "quantize/pipeline.h"
#include "quantize/quantize_with.h"

namespace gptq {

namespace {

std::string size_in_gib(int64_t bytes) {
  const int64_t tenths = (bytes * 10 + (int64_t{1} << 29)) >> 30;
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " GiB";
}

// Of the modules' relative squared errors; null when nothing was quantized.
Json error_summary(const std::vector<ModuleReport>& modules) {
  if (modules.empty()) return nullptr;
  double sum = 0;
  const ModuleReport* worst = &modules.front();
  for (const ModuleReport& module : modules) {
    sum += module.error;
    if (module.error > worst->error) worst = &module;
  }
  return {{"mean", sum / static_cast<double>(modules.size())},
          {"largest", worst->error},
          {"module", worst->name},
          {"modules", modules.size()}};
}

// Everything that is known before the first layer.
struct Job {
  const QuantizeOptions& options;
  Checkpoint checkpoint;
  Architecture architecture;
  ModelPlan plan;
  Calibration calibration;

  explicit Job(const QuantizeOptions& o)
      : options(o),
        checkpoint(Checkpoint::open(o.model, Purpose::kQuantize)),
        architecture(read_architecture(checkpoint.config(), (checkpoint.folder() / "config.json").string())),
        plan(plan_modules(architecture, o)),
        calibration(load_calibration(o, Tokenizer::open(o.model), architecture.context_length)) {
    if (checkpoint.quantize_config()) {
      throw Error(ErrorKind::kUsage, "quantizing " + o.model + ": it is quantized already (" +
                                         std::to_string(checkpoint.quantize_config()->bits) +
                                         " bits); start from the original 16-bit model");
    }
    Device::parse(o.compute.device);
  }

  std::vector<std::string> notes() const {
    std::vector<std::string> all = plan.notes;
    all.insert(all.end(), calibration.notes.begin(), calibration.notes.end());
    return all;
  }

  int module_count() const {
    int count = 0;
    for (const LayerPlan& layer : plan.layers) {
      for (const GroupPlan& group : layer) count += group.grid ? static_cast<int>(group.group.linears.size()) : 0;
    }
    return count;
  }

  // Calls body(module name, linear, grid) for every quantized linear of a layer, in order.
  template <typename Body>
  void for_each_linear(int64_t layer, const Body& body) const {
    for (const GroupPlan& group : plan.layers[static_cast<size_t>(layer)]) {
      if (!group.grid) continue;
      for (const LinearSpec& linear : group.group.linears) body(layer_prefix(layer) + linear.name, linear, *group.grid);
    }
  }

  MemoryProblem memory_problem(const Backend& backend) const {
    return {architecture,         plan,
            calibration.samples,  calibration.seqlen,
            options.gptaq > 0,    options.true_sequential,
            backend.batch_rows(), static_cast<int64_t>(size_of(backend.activation_dtype()))};
  }

  std::unique_ptr<Backend> open_backend(const BackendMaker& make) const {
    return make(options.compute, checkpoint.tensor(kEmbeddingName).dtype);
  }

  // Tensors of the output that are copied as they are, and those of the packed modules.
  std::vector<TensorSpec> copied, packed;

  void list_tensors() {
    std::set<std::string> replaced;
    for (int64_t layer = 0; layer < architecture.layers; ++layer) {
      for_each_linear(layer, [&](const std::string& module, const LinearSpec& linear, const GridOptions& grid) {
        replaced.insert({module + ".weight", module + ".bias"});
        const auto specs =
            packed_specs(module, linear.in_features, linear.out_features, grid.bits, grid.group_size, linear.bias);
        packed.insert(packed.end(), specs.begin(), specs.end());
      });
    }
    for (const std::string& name : checkpoint.names()) {
      if (replaced.count(name)) continue;
      if (architecture.tied_head && name == kHeadName) continue;  // the embedding serves; stored once
      const TensorView view = checkpoint.tensor(name);
      copied.push_back({name, view.dtype, view.shape});
    }
  }

  int64_t bytes_out() const {
    uint64_t bytes = 0;
    for (const auto* list : {&copied, &packed}) {
      for (const TensorSpec& spec : *list) bytes += spec.bytes();
    }
    return static_cast<int64_t>(bytes);
  }

  std::vector<TensorSpec> all_tensors() const {
    std::vector<TensorSpec> all = copied;
    all.insert(all.end(), packed.begin(), packed.end());
    std::sort(all.begin(), all.end(), [](const TensorSpec& a, const TensorSpec& b) { return a.name < b.name; });
    return all;
  }

  // Of everything that decides the output's bytes: a journal made under another one cannot be continued.
  std::string fingerprint() const {
    Json tensors = Json::array();
    for (const std::string& name : checkpoint.names()) {
      const TensorEntry& entry = checkpoint.entry(name);
      tensors.push_back({name, checkpoint.file_of(name), entry.begin, entry.end});
    }
    const Json json = {{"config", checkpoint.config()},
                       {"tensors", tensors},
                       {"quantize_config", to_json(make_quantize_config(plan, options)).dump()},
                       {"group_aware", options.grid.group_aware},
                       {"clip", options.grid.clip},
                       {"gptaq", options.gptaq},
                       {"calibration", calibration.sha256},
                       {"seqlen", calibration.seqlen},
                       {"max_shard_bytes", options.max_shard_bytes},
                       {"version", version()}};
    const std::string text = json.dump();
    return sha256_hex(std::as_bytes(std::span(text)));
  }

  QuantizeConfig config(const std::vector<ModuleReport>& modules) const {
    QuantizeConfig c = make_quantize_config(plan, options);
    c.meta = {{"quantizer", Json::array({"gptq:" + version()})},
              {"act_group_aware", options.grid.group_aware && !options.grid.desc_act},
              {"clip", options.grid.clip},
              {"gptaq", options.gptaq},
              {"calibration",
               {{"name", calibration.name},
                {"sha256", calibration.sha256},
                {"samples", calibration.samples},
                {"seqlen", calibration.seqlen},
                {"seed", options.seed}}}};
    if (const Json errors = error_summary(modules); !errors.is_null()) c.meta["errors"] = errors;
    if (const Json origin = hub::to_json(hub::origin_of(checkpoint.folder())); !origin.is_null())
      c.meta["base_model"] = origin;
    return c;
  }
};

// The packed weight that an interrupted run has already written.
PackedWeight read_finished(const std::vector<SafetensorsFile>& shards, const std::string& module,
                           const LinearSpec& linear, const GridOptions& grid, CheckpointFormat format) {
  const auto tensor = [&](const std::string& name) {
    for (const SafetensorsFile& shard : shards) {
      if (shard.contains(name)) return shard.tensor(name);
    }
    throw Error(ErrorKind::kVerification,
                "resuming: " + name + " is missing from the unfinished output; start over with --force");
  };
  const auto copy = [&](const std::string& name) {
    const TensorView view = tensor(name);
    Tensor result = Tensor::uninitialized(view.dtype, view.shape);
    std::copy_n(view.data, view.bytes(), result.data());
    return result;
  };
  PackedWeight w;
  w.bits = grid.bits;
  w.in_features = linear.in_features;
  w.out_features = linear.out_features;
  w.group_size = grid.group_size < 0 ? linear.in_features : grid.group_size;
  w.qweight = copy(module + ".qweight");
  w.scales = copy(module + ".scales");
  w.g_idx = copy(module + ".g_idx");
  w.qzeros = format == CheckpointFormat::kGptq ? plain_zeros(tensor(module + ".qzeros"), grid.bits, ZeroRule::kPerField)
                                               : copy(module + ".qzeros");
  if (linear.bias) w.bias = to_float32(tensor(module + ".bias"), module + ".bias");
  return w;
}

// The folder that work in progress lives in, and what an earlier run left there.
class PartialFolder {
 public:
  PartialFolder(const QuantizeOptions& options, const std::string& fingerprint)
      : output_(fs::path(options.output).lexically_normal()), journal_(partial()) {
    if (output_.filename().empty()) output_ = output_.parent_path();
    if (options.output.empty())
      throw Error(ErrorKind::kUsage, "quantizing " + options.model + ": no output folder given");
    journal_ = Journal(partial());
    if (fs::exists(output_) && !options.force) {
      throw Error(ErrorKind::kUsage, "creating the output folder " + output_.string() +
                                         ": it exists already; choose another one or replace it with --force");
    }
    if (fs::exists(output_) && fs::equivalent(output_, options.model)) {
      throw Error(ErrorKind::kUsage,
                  "creating the output folder " + output_.string() + ": it is the model's own folder");
    }
    if (fs::exists(partial())) {
      const std::optional<JournalState> found = options.resume || !options.force ? journal_.read() : std::nullopt;
      if (options.resume && found && found->fingerprint == fingerprint) {
        state = *found;
      } else if (options.resume && found) {
        throw Error(ErrorKind::kUsage, "resuming " + partial().string() +
                                           ": it was made with other options, calibration text or model; give the "
                                           "same ones, or start over with --force");
      } else if (found && found->layers_done > 0 && !options.force) {
        throw Error(ErrorKind::kUsage, "creating " + partial().string() +
                                           ": found the unfinished work of an earlier run (" +
                                           std::to_string(found->layers_done) +
                                           " layers); go on with --resume or start over with --force");
      } else {
        fs::remove_all(partial());
      }
    }
    std::error_code error;
    fs::create_directories(partial(), error);
    if (error) throw_system_error("creating the folder", partial(), error.value());
    state.fingerprint = fingerprint;
  }

  fs::path partial() const { return output_.string() + ".partial"; }

  // The layers of `progress` are on the disk: a later run can go on behind them.
  void commit(const JournalState& progress) {
    journal_.write(progress);
    state = progress;
  }

  // The complete folder takes its name; an old one of that name goes last.
  void finish() {
    journal_.remove();
    const fs::path old = output_.string() + ".old";
    if (fs::exists(output_)) fs::rename(output_, old);
    std::error_code error;
    fs::rename(partial(), output_, error);
    if (error) throw_system_error("renaming to", output_, error.value());
    fs::remove_all(old);
  }

  // Nothing worth resuming: leave nothing behind.
  void discard() {
    std::error_code ignored;
    fs::remove_all(partial(), ignored);
  }

  JournalState state;  // what the journal holds

 private:
  fs::path output_;
  Journal journal_;
};

void replay_finished_layers(const Job& job, const PartialFolder& folder, Pipeline& pipeline, CheckpointWriter& writer,
                            const QuantizeSink& on_progress, const std::stop_token& stop) {
  std::vector<SafetensorsFile> shards;
  for (const auto& entry : fs::directory_iterator(folder.partial())) {
    if (entry.path().extension() == ".safetensors") shards.emplace_back(entry.path());
  }
  for (int layer = 0; layer < folder.state.layers_done; ++layer) {
    if (stop.stop_requested()) {
      throw Error(ErrorKind::kInterrupted, "resuming " + job.options.model +
                                               " stopped before any new layer; go on "
                                               "with the same command and --resume");
    }
    if (on_progress) {
      on_progress({"replaying layer " + std::to_string(layer + 1) + "/" + std::to_string(job.architecture.layers),
                   static_cast<double>(layer) / static_cast<double>(job.architecture.layers)});
    }
    std::vector<PackedWeight> linears;
    job.for_each_linear(layer, [&](const std::string& module, const LinearSpec& linear, const GridOptions& grid) {
      linears.push_back(read_finished(shards, module, linear, grid, job.plan.format));
      for (const TensorSpec& spec :
           packed_specs(module, linear.in_features, linear.out_features, grid.bits, grid.group_size, linear.bias)) {
        writer.mark_written(spec.name);
      }
    });
    pipeline.replay_layer(layer, linears);
  }
}

// The plan for what the device has. Throws Error(kOutOfMemory) naming what would help when it has too little.
MemoryPlan choose_memory_plan(const MemoryProblem& problem, const Job& job, Backend& backend) {
  const DeviceMemory memory = backend.memory();
  if (const std::optional<MemoryPlan> plan = plan_memory(problem, memory.available)) return *plan;
  const auto needed = [&](const MemoryProblem& p) {
    return size_in_gib(required_bytes(smallest_memory_plan(p)) + memory.peak);
  };
  MemoryProblem plain = problem;
  plain.gptaq = false;
  throw Error(ErrorKind::kOutOfMemory,
              "quantizing " + job.options.model + " needs at least " + needed(problem) +
                  (problem.gptaq ? " of GPU memory, or " + needed(plain) + " with --gptaq 0" : " of GPU memory") +
                  "; found " + size_in_gib(memory.available + memory.peak) +
                  (job.options.compute.max_gpu_memory > 0 ? " allowed by --max-gpu-memory" : " free") +
                  "; give more, close other programs on the GPU, use a shorter --seqlen or --device cpu");
}

GpuMemoryPlan gpu_plan(const MemoryProblem& problem, const MemoryPlan& plan, Backend& backend) {
  if (backend.device().kind == Device::Kind::kCpu) return {};
  const DeviceMemory memory = backend.memory();
  return {plan.device_bytes + memory.peak, memory.available + memory.peak, plan.host_bytes(),
          plan.windows_per_batch * problem.seqlen, problem.true_sequential && !plan.keep_inputs};
}

// After memory ran out: a plan that needs clearly less, if there is one.
std::optional<MemoryPlan> smaller_plan(const MemoryProblem& problem, const MemoryPlan& failed, Backend& backend) {
  const int64_t limit = std::min(backend.memory().available, required_bytes(failed) / 4 * 3);
  if (const std::optional<MemoryPlan> plan = plan_memory(problem, limit)) return plan;
  const MemoryPlan smallest = smallest_memory_plan(problem);
  return smallest.device_bytes < failed.device_bytes ? std::optional(smallest) : std::nullopt;
}

// The layers that are missing, and what comes after them.
QuantizeReport run(Job& job, PartialFolder& folder, const MemoryPlan& memory, Backend& backend,
                   const QuantizeSink& on_progress, const std::stop_token& stop) {
  QuantizeReport report;
  CheckpointWriter writer(folder.partial(), job.all_tensors(), job.options.max_shard_bytes);
  if (folder.state.layers_done > 0 && !writer.resumed()) {
    throw Error(ErrorKind::kVerification,
                "resuming " + folder.partial().string() + ": its weight files are damaged; start over with --force");
  }
  WriteBehind output(writer, job.plan.format);
  for (const TensorSpec& spec : job.copied) output.write(spec.name, job.checkpoint.tensor(spec.name));
  Pipeline pipeline(
      {job.checkpoint, job.architecture, job.options, job.plan, job.calibration, memory, backend, output});
  if (on_progress) on_progress({"calibration", 0.0});
  pipeline.start();
  replay_finished_layers(job, folder, pipeline, writer, on_progress, stop);

  const int64_t layers = job.architecture.layers;
  JournalState progress = folder.state;
  for (int64_t layer = progress.layers_done; layer < layers; ++layer) {
    const std::string phase = "layer " + std::to_string(layer + 1) + "/" + std::to_string(layers) + " ";
    double fraction = 0;
    pipeline.quantize_layer(
        layer,
        [&](double done, const std::string& what) {
          fraction = (static_cast<double>(layer) + done) / static_cast<double>(layers);
          if (on_progress) on_progress({phase + what, fraction});
        },
        [&](const ModuleReport& module) {
          progress.modules.push_back(module);
          if (on_progress) on_progress({phase + module.name, fraction, &module});
        });
    progress.layers_done = static_cast<int>(layer + 1);
    output.when_synced([&folder, progress] { folder.commit(progress); });
    if (stop.stop_requested() && layer + 1 < layers) {
      output.wait();
      throw Error(ErrorKind::kInterrupted, "quantizing " + job.options.model + " stopped after layer " +
                                               std::to_string(layer + 1) + " of " + std::to_string(layers) +
                                               "; go on with the same command and --resume");
    }
  }
  if (on_progress) on_progress({"saving", 1.0});
  output.finish();
  copy_companion_files(job.checkpoint.folder(), folder.partial());
  write_configs(folder.partial(), job.checkpoint.ordered_config(), job.config(progress.modules));
  folder.finish();

  report.output = job.options.output;
  report.modules = folder.state.modules;
  report.bytes_in = static_cast<int64_t>(job.checkpoint.total_bytes());
  report.bytes_out = job.bytes_out();
  return report;
}

}  // namespace

std::string to_string(const GpuMemoryPlan& plan) {
  std::string limit = size_in_gib(plan.limit_bytes), peak = size_in_gib(plan.peak_bytes);
  return peak.substr(0, peak.find(' ')) + " of " + limit + " on the GPU (" +
         (plan.host_bytes > 0 ? "streams in host memory: " + size_in_gib(plan.host_bytes) + ", " : "") +
         (plan.recomputes ? "parts of a layer run twice, " : "") + "batches of " + std::to_string(plan.batch_tokens) +
         " tokens)";
}

QuantizePlan plan_quantize(const QuantizeOptions& options) {
  Job job(options);
  job.list_tensors();
  QuantizePlan plan;
  plan.layers = static_cast<int>(job.architecture.layers);
  plan.modules = job.module_count();
  plan.tokens = job.calibration.samples * job.calibration.seqlen;
  plan.bytes_in = static_cast<int64_t>(job.checkpoint.total_bytes());
  plan.bytes_out = job.bytes_out();
  const std::unique_ptr<Backend> backend = job.open_backend(make_backend);
  const MemoryProblem problem = job.memory_problem(*backend);
  const MemoryPlan memory = choose_memory_plan(problem, job, *backend);
  plan.gpu = gpu_plan(problem, memory, *backend);
  const Estimate e = estimate(problem, memory, plan.bytes_in, *backend);
  plan.peak_bytes = e.peak_bytes;
  plan.seconds = e.seconds;
  plan.notes = job.notes();
  return plan;
}

QuantizeReport quantize_with(const BackendMaker& make, const QuantizeOptions& options, const QuantizeSink& on_progress,
                             const std::stop_token& stop) {
  const auto start = std::chrono::steady_clock::now();
  Job job(options);
  job.list_tensors();
  const std::unique_ptr<Backend> backend = job.open_backend(make);
  const MemoryProblem problem = job.memory_problem(*backend);
  MemoryPlan memory = choose_memory_plan(problem, job, *backend);
  const GpuMemoryPlan gpu = gpu_plan(problem, memory, *backend);
  if (gpu.peak_bytes > 0) note("memory: " + to_string(gpu));
  PartialFolder folder(options, job.fingerprint());
  const int resumed_layers = folder.state.layers_done;
  std::vector<std::string> notes = job.notes();
  try {
    for (;;) {
      try {
        QuantizeReport report = run(job, folder, memory, *backend, on_progress, stop);
        report.notes = notes;
        report.resumed_layers = resumed_layers;
        report.peak_bytes = peak_resident_bytes();
        report.gpu_peak_bytes = backend->memory().peak;
        report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        return report;
      } catch (const Error& error) {
        if (error.kind() != ErrorKind::kOutOfMemory) throw;
        const std::optional<MemoryPlan> smaller = smaller_plan(problem, memory, *backend);
        if (!smaller) throw;
        notes.push_back("memory ran out (" + std::string(error.what()) + "); went on behind layer " +
                        std::to_string(folder.state.layers_done) + " with a plan for " +
                        size_in_gib(smaller->device_bytes) + " instead of " + size_in_gib(memory.device_bytes));
        warn(notes.back());
        memory = *smaller;
      }
    }
  } catch (...) {
    if (folder.state.layers_done == 0) folder.discard();
    throw;
  }
}

QuantizeReport quantize(const QuantizeOptions& options, const QuantizeSink& on_progress, std::stop_token stop) {
  return quantize_with(make_backend, options, on_progress, stop);
}

}  // namespace gptq
