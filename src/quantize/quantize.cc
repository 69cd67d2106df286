// quantize(): from a model folder to a quantized checkpoint folder.
#include <gptq/quantize.h>

#include <algorithm>
#include <chrono>
#include <memory>

#include <gptq/error.h>

#include "core/json.h"
#include "core/log.h"
#include "quantize/estimate.h"
#include "quantize/job.h"
#include "quantize/journal.h"
#include "quantize/output_folder.h"
#include "quantize/pipeline.h"
#include "quantize/quantize_with.h"
#include "quantize/resume.h"

namespace gptq::quantization {

using backend::Backend;
using checkpoint::CheckpointWriter;

namespace {

constexpr double kEarly = 0.7, kLate = 1.8;  // range of measured times, relative to the estimate

std::string size_in_gib(int64_t bytes) {
  const int64_t tenths = (bytes * 10 + (int64_t{1} << 29)) >> 30;
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " GiB";
}

// The plan for the available device memory. Throws Error(kOutOfMemory) with remedies if it is insufficient.
MemoryPlan choose_memory_plan(const MemoryProblem& problem, const Job& job, Backend& backend) {
  const backend::DeviceMemory memory = backend.memory();
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
                  "; increase it, close other programs on the GPU, use a shorter --seqlen or --device cpu");
}

GpuMemoryPlan gpu_plan(const MemoryProblem& problem, const MemoryPlan& plan, Backend& backend) {
  if (!backend.capabilities().own_memory) return {};
  const backend::DeviceMemory memory = backend.memory();
  return {plan.device_bytes + memory.peak, memory.available + memory.peak, plan.host_bytes(), plan.batch_rows,
          problem.true_sequential && !plan.keep_inputs};
}

// After memory was exhausted: a plan that needs considerably less, if there is one.
std::optional<MemoryPlan> smaller_plan(const MemoryProblem& problem, const MemoryPlan& failed, Backend& backend) {
  const int64_t limit = std::min(backend.memory().available, required_bytes(failed) / 4 * 3);
  if (const std::optional<MemoryPlan> plan = plan_memory(problem, limit)) return plan;
  const MemoryPlan smallest = smallest_memory_plan(problem);
  return smallest.device_bytes < failed.device_bytes ? std::optional(smallest) : std::nullopt;
}

// A run: its inputs, its folder and its progress.
struct Run {
  const Job& job;
  OutputFolder& folder;
  JournalState state;  // content of the journal

  void commit(const JournalState& progress) {
    Journal(folder.partial()).write(progress);
    state = progress;
  }

  // The layer's tensors are on the disk: a later run can continue after this layer.
  void commit_layer(int64_t layer, JournalState progress, const CheckpointWriter& writer) {
    progress.sources = state.sources;
    progress.sources.merge(job.hash_replaced(layer));
    progress.tensors = writer.digests();
    job.check_unchanged();
    commit(progress);
  }
};

void quantize_layers(Run& work, const MemoryPlan& memory, Backend& backend, CheckpointWriter& writer,
                     checkpoint::WriteBehind& output, const QuantizeSink& on_progress, const std::stop_token& stop) {
  const Job& job = work.job;
  Pipeline pipeline(
      {job.checkpoint, job.architecture, job.options, job.plan, job.calibration, memory, backend, output});
  if (on_progress) on_progress({"calibration", 0.0});
  pipeline.start();
  replay_finished_layers(job, work.folder, work.state, pipeline, on_progress, stop);

  const int64_t layers = job.architecture.layers;
  JournalState progress = work.state;
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
    output.on_durable([&work, &writer, layer, progress] { work.commit_layer(layer, progress, writer); });
    if (stop.stop_requested() && layer + 1 < layers) {
      output.wait();
      throw Error(ErrorKind::kInterrupted, "quantizing " + job.options.model + " stopped after layer " +
                                               std::to_string(layer + 1) + " of " + std::to_string(layers) +
                                               "; resume with the same command and --resume");
    }
  }
}

// Completes DIR.partial: the remaining layers, and the files that accompany them.
void complete(Run& work, const MemoryPlan& memory, Backend& backend, const QuantizeSink& on_progress,
              const std::stop_token& stop) {
  const Job& job = work.job;
  const fs::path model = work.folder.model();
  work.folder.keep_only_weights();
  CheckpointWriter writer(model, job.all_tensors(), job.options.max_shard_bytes);
  // First, so that a file that cannot be copied is an error before the layers are quantized.
  checkpoint::copy_companion_files(job.checkpoint.folder(), model);
  mark_finished_layers(job, work.state, writer);
  checkpoint::WriteBehind output(writer, job.plan.format);
  for (const checkpoint::TensorSpec& spec : job.copied) output.write(spec.name, job.checkpoint.tensor(spec.name));
  if (work.state.layers_done < job.architecture.layers) {
    quantize_layers(work, memory, backend, writer, output, on_progress, stop);
  }
  if (on_progress) on_progress({"saving", 1.0});
  output.finish();
  checkpoint::write_configs(model, job.checkpoint.ordered_config(), job.config(work.state.modules));
  JournalState done = work.state;
  done.tensors = writer.digests();
  done.files = hash_files(model);
  done.complete = true;
  work.commit(done);
}

// complete(), with a smaller plan each time memory is exhausted; `notes` receives a note of it.
void complete_within_memory(Run& work, const MemoryProblem& problem, MemoryPlan memory, Backend& backend,
                            std::vector<std::string>& notes, const QuantizeSink& on_progress,
                            const std::stop_token& stop) {
  for (;;) {
    try {
      return complete(work, memory, backend, on_progress, stop);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::kOutOfMemory) throw;
      const std::optional<MemoryPlan> smaller = smaller_plan(problem, memory, backend);
      if (!smaller) throw;
      notes.push_back("memory was exhausted (" + std::string(error.what()) + "); continued after layer " +
                      std::to_string(work.state.layers_done) + " with a plan for " +
                      size_in_gib(smaller->device_bytes) + " instead of " + size_in_gib(memory.device_bytes));
      warn(notes.back());
      memory = *smaller;
    }
  }
}

QuantizePlan plan_quantize(const QuantizeOptions& options) {
  if (!options.output.empty()) const OutputFolder folder(options);  // throws what quantize() would throw
  const Job job(options);
  QuantizePlan plan;
  plan.layers = static_cast<int>(job.architecture.layers);
  plan.modules = job.module_count();
  plan.group_size = job.plan.defaults.group_size;
  plan.tokens = static_cast<int64_t>(job.calibration.tokens.size());
  plan.bytes_in = static_cast<int64_t>(job.checkpoint.total_bytes());
  plan.bytes_out = job.bytes_out();
  const std::unique_ptr<Backend> backend = job.open_backend(backend::make_backend);
  const MemoryProblem problem = job.memory_problem(*backend);
  const MemoryPlan memory = choose_memory_plan(problem, job, *backend);
  plan.gpu = gpu_plan(problem, memory, *backend);
  const Estimate e = estimate(problem, memory, plan.bytes_in, *backend);
  plan.peak_bytes = e.peak_bytes;
  plan.seconds = e.seconds;
  plan.min_seconds = e.seconds * kEarly;
  plan.max_seconds = e.seconds * kLate;
  plan.notes = job.notes();
  return plan;
}

}  // namespace

QuantizeReport quantize_with(const BackendMaker& make, const QuantizeOptions& options, const QuantizeSink& on_progress,
                             const std::stop_token& stop) {
  const auto start = std::chrono::steady_clock::now();
  OutputFolder folder(options);  // throws if the output could not be published
  const Job job(options);
  const std::unique_ptr<Backend> backend = job.open_backend(make);
  const MemoryProblem problem = job.memory_problem(*backend);
  const MemoryPlan memory = choose_memory_plan(problem, job, *backend);
  const GpuMemoryPlan gpu = gpu_plan(problem, memory, *backend);
  if (gpu.peak_bytes > 0) note("memory: " + to_string(gpu));
  folder.lock();
  Run work{job, folder, take_over(job, folder, on_progress, stop)};
  QuantizeReport report;
  report.resumed_layers = work.state.layers_done;
  report.notes = job.notes();
  if (!work.state.complete) {
    try {
      if (work.state.layers_done == 0) {
        folder.clear();
        work.commit(work.state);
      }
      complete_within_memory(work, problem, memory, *backend, report.notes, on_progress, stop);
    } catch (...) {
      if (work.state.layers_done == 0) folder.discard();  // nothing to resume
      throw;
    }
  }
  folder.publish();
  report.output = options.output;
  report.modules = work.state.modules;
  report.errors_meaningful = !job.calibration.held.lengths.empty();
  report.bytes_in = static_cast<int64_t>(job.checkpoint.total_bytes());
  report.bytes_out = job.bytes_out();
  report.peak_bytes = peak_resident_bytes();
  report.gpu_peak_bytes = backend->memory().peak;
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return report;
}

}  // namespace gptq::quantization

namespace gptq {

std::string to_string(const GpuMemoryPlan& plan) {
  std::string limit = quantization::size_in_gib(plan.limit_bytes), peak = quantization::size_in_gib(plan.peak_bytes);
  return peak.substr(0, peak.find(' ')) + " of " + limit + " on the GPU (" +
         (plan.host_bytes > 0 ? "streams in host memory: " + quantization::size_in_gib(plan.host_bytes) + ", " : "") +
         (plan.recomputes ? "parts of a layer run twice, " : "") + "batches of " + std::to_string(plan.batch_tokens) +
         " tokens)";
}

QuantizePlan plan_quantize(const QuantizeOptions& options) { return quantization::plan_quantize(options); }

QuantizeReport quantize(const QuantizeOptions& options, const QuantizeSink& on_progress, std::stop_token stop) {
  return quantization::quantize_with(backend::make_backend, options, on_progress, stop);
}

}  // namespace gptq
