// Quantizing a model folder with GPTQ (Frantar et al., "GPTQ", arXiv 2210.17323) into a checkpoint folder.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include <gptq/device.h>

namespace gptq {

struct GridOptions {
  int bits = 4;        // 2, 3, 4 or 8
  int group_size = 0;  // columns per scale: -1 (one per row) or 16…1024; 0: 128, or the largest of 64 and 32 that
                       // divides the inputs of every linear
  bool sym = true;
  bool desc_act = false;         // activation order over all columns
  bool group_aware = true;       // activation order within groups; used when desc_act is off and groups exist
  bool static_groups = false;    // scales from the original weights, before any error feedback
  std::string clip = "hessian";  // scale search: "none" (min/max), "mse", "hessian" (the loss GPTQ minimises)
};

// Linears that share an input (q/k/v, gate/up) always agree: a rule for one of them holds for all, the finest wins.
// One override of the defaults for the modules whose full name matches `pattern` from its start (PCRE2 regex).
struct ModuleRule {
  std::string pattern;
  bool skip = false;
  std::optional<int> bits;
  std::optional<int> group_size;
  std::optional<bool> sym;
  std::optional<bool> desc_act;

  // "REGEX:bits=8,group_size=32,sym=false" as on the command line. Throws Error(kUsage).
  static ModuleRule parse(const std::string& text);
};

struct QuantizeOptions {
  std::string model;   // folder
  std::string output;  // folder to create
  GridOptions grid;
  std::vector<ModuleRule> rules;  // the first one that matches decides, override or skip
  double damp = 0.01;             // share of mean(diag H) added to the diagonal
  // GPTAQ (Li et al., arXiv 2504.02692): aim at the outputs of the unquantized model rather than at W applied to
  // inputs that already carry error. 1 = fully, 0 = plain GPTQ at half the time and memory.
  double gptaq = 1.0;
  bool true_sequential = true;           // later sub-steps of a layer see the quantized earlier ones
  std::vector<std::string> calibration;  // files or folders as read_corpus() reads them; none: the built-in text
  int samples = 128;  // windows; a row or text shorter than a window is one of its own: then as many as have the tokens
                      // of so many full windows
  int seqlen = 2048;  // of a window; shortened with a note to the model's context
  uint64_t seed = 0;
  std::string format;  // "gptq" (v1) or "gptq_v2"; "" = gptq, or gptq_v2 when a grid is asymmetric
  int64_t max_shard_bytes = 5'000'000'000;
  bool resume = false;
  bool force = false;  // replace an existing output folder
  ComputeOptions compute;
};

struct ModuleReport {
  std::string name;
  int bits = 0;
  int group_size = 0;
  double error = 0;    // tr(ΔW H ΔWᵀ) / tr(W H Wᵀ), the relative squared error of the layer's output, with H from
                       // windows of the calibration text that do not calibrate; NaN when none could be held apart
  double damp = 0;     // the damping that made the factorisation succeed
  std::string method;  // "gptq", "gptq (double precision)", "rtn"
  double seconds = 0;
  int64_t bytes_in = 0, bytes_out = 0;
};

// What a quantization takes of a GPU, chosen to fit it; all 0 on a CPU.
struct GpuMemoryPlan {
  int64_t peak_bytes = 0;    // expected of the process at its highest, the driver's share included
  int64_t limit_bytes = 0;   // --max-gpu-memory, or what is free
  int64_t host_bytes = 0;    // of the residual streams, and of a Hessian, that wait in host memory
  int64_t batch_tokens = 0;  // calibration tokens that run at once
  bool recomputes = false;   // runs part of each layer twice rather than keep what it gave
};
std::string to_string(const GpuMemoryPlan& plan);  // "7.4 of 8.0 GiB on the GPU (…)"

struct QuantizePlan {
  int layers = 0, modules = 0;
  int group_size = 0;      // of modules without a rule of their own; -1: one group per row
  int64_t tokens = 0;      // calibration tokens
  int64_t peak_bytes = 0;  // expected resident memory at its highest
  GpuMemoryPlan gpu;
  int64_t bytes_in = 0, bytes_out = 0;      // tensor bytes before and after
  double seconds = 0;                       // expected time
  double min_seconds = 0, max_seconds = 0;  // and between which it is, nearly always
  std::vector<std::string> notes;           // what will be skipped or changed, and why
};

struct QuantizeReport {
  std::string output;
  double seconds = 0;
  int64_t peak_bytes = 0;      // measured
  int64_t gpu_peak_bytes = 0;  // measured, but for the driver's share; 0 on a CPU
  int64_t bytes_in = 0, bytes_out = 0;
  int resumed_layers = 0;
  // False when the calibration text is too short to hold windows apart on which errors are measured (docs/quantize.md):
  // errors on the text that calibrates would say nothing about any other.
  bool errors_meaningful = true;
  std::vector<ModuleReport> modules;
  std::vector<std::string> notes;
};

struct QuantizeProgress {
  std::string phase;                     // "calibration", "layer 3/32 mlp.down_proj", "saving"
  double fraction = 0;                   // of the whole job, 0…1
  const ModuleReport* module = nullptr;  // set when a module has just been finished
};
using QuantizeSink = std::function<void(const QuantizeProgress&)>;

// Reads configs, headers and the calibration text; looks at no output folder. Throws what quantize() would throw for
// bad options or files.
QuantizePlan plan_quantize(const QuantizeOptions& options);

// Quantizes layer by layer; work in progress lives in `<output>.partial` and is renamed at the end, so that
// `output` is either absent or complete. A stop request ends the current layer and throws Error(kInterrupted);
// `resume` then goes on, as it does after any error behind the first layer. When memory runs out on the way, the work
// goes on from the last finished layer with less; the report's notes say so. Errors: kUsage (options), kNotFound,
// kVerification (files), kNumerical (NaN, naming the first module), kGeneral (disk, a lost GPU), kPermission,
// kOutOfMemory (before anything is written when no plan fits the GPU).
QuantizeReport quantize(const QuantizeOptions& options, const QuantizeSink& on_progress = {},
                        std::stop_token stop = {});

}  // namespace gptq
