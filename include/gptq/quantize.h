// Quantizes a model folder with GPTQ (Frantar et al., "GPTQ", arXiv:2210.17323) and writes a checkpoint folder.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include <gptq/corpus.h>
#include <gptq/device.h>

namespace gptq {

struct GridOptions {
  int bits = 4;           // 2, 3, 4 or 8
  int group_size = 0;     // input columns per scale: a power of two from 16 to 1024, or -1 (one scale per row); 0: the
                          // largest of 128, 64 and 32 that divides the inputs of every linear
  bool sym = true;        // symmetric grid; false: with zero points
  bool desc_act = false;  // activation order over all columns
  bool group_aware = true;       // activation order within groups; used when desc_act is off and groups exist
  bool static_groups = false;    // scales from the original weights, before any error feedback
  std::string clip = "hessian";  // scale search: "none" (min/max), "mse", "hessian" (the loss of GPTQ)
};

// Overrides the defaults for the modules whose full name matches `pattern`, a PCRE2 regular expression that must match
// from the start of the name. Linears that share an input (q, k and v; gate and up) always have the same settings:
// if their rules differ, all of them use the finest, where `skip` counts as the finest of all.
struct ModuleRule {
  std::string pattern;
  bool skip = false;  // do not quantize
  std::optional<int> bits;
  std::optional<int> group_size;
  std::optional<bool> sym;
  std::optional<bool> desc_act;

  // Parses "REGEX:bits=8,group_size=32,sym=false". Throws Error(kUsage) when the text is malformed.
  static ModuleRule parse(const std::string& text);
};

struct QuantizeOptions {
  std::string model;   // path of the model folder
  std::string output;  // path of the folder to create
  GridOptions grid;
  std::vector<ModuleRule> rules;  // the first rule that matches a module applies
  double damp = 0.01;             // λ / mean(diag H), where λ is added to the diagonal of H; between 0 and 1
  // Strength of GPTAQ (Li et al., arXiv:2504.02692), from 0 (plain GPTQ: faster, less memory) to 1. GPTAQ approximates
  // the outputs of the unquantized model instead of those of W on inputs that already contain quantization
  // error. Requires true_sequential.
  double gptaq = 1.0;
  bool true_sequential = true;  // later linears of a layer see outputs of the quantized earlier ones
  // Calibration text: files or folders as read_corpus() reads them, and then rows; without both the built-in text.
  std::vector<std::string> calibration;
  std::vector<CorpusRow> calibration_rows;
  int samples = 128;   // calibration windows; shorter ones (docs/quantize.md) are added until the number of tokens is
                       // that of `samples` full windows
  int seqlen = 2048;   // tokens per window; reduced to the model's context length, with a note
  uint64_t seed = 0;   // of the random choice of windows
  std::string format;  // "gptq" (v1) or "gptq_v2"; "" = gptq, or gptq_v2 when a grid is asymmetric
  int64_t max_shard_bytes = 5'000'000'000;
  bool resume = false;  // continue the unfinished work in `<output>.partial`
  bool force = false;   // replace an output folder that gptq made, or unfinished work
  ComputeOptions compute;
};

struct ModuleReport {
  std::string name;
  int bits = 0;
  int group_size = 0;
  double error = 0;  // tr(ΔW H ΔWᵀ) / tr(W H Wᵀ), the relative squared error of the module's output, with H from
                     // held-out windows of the calibration text; NaN without such windows
  double damp = 0;   // the damping with which the factorisation succeeded
  std::string method;  // "gptq", "gptq (double precision)", "rtn"
  double seconds = 0;
  int64_t bytes_in = 0, bytes_out = 0;  // tensor bytes before and after
};

// The use of GPU memory, chosen to fit the limit; all 0 on a CPU.
struct GpuMemoryPlan {
  int64_t peak_bytes = 0;    // expected peak GPU memory of the process, including CUDA itself
  int64_t limit_bytes = 0;   // max_gpu_memory, or the free memory
  int64_t host_bytes = 0;    // host memory for offloaded residual streams and Hessian
  int64_t batch_tokens = 0;  // calibration tokens per batch
  bool recomputes = false;   // activations are recomputed instead of kept: part of each layer runs twice
};
std::string to_string(const GpuMemoryPlan& plan);  // "7.4 of 8.0 GiB on the GPU (…)"

struct QuantizePlan {
  int layers = 0, modules = 0;
  int group_size = 0;      // of modules to which no rule applies; -1: one scale per row
  int64_t tokens = 0;      // calibration tokens
  int64_t peak_bytes = 0;  // expected peak resident memory of the process
  GpuMemoryPlan gpu;
  int64_t bytes_in = 0, bytes_out = 0;      // tensor bytes before and after
  double seconds = 0;                       // expected time
  double min_seconds = 0, max_seconds = 0;  // expected range, from measured runs
  std::vector<std::string> notes;           // messages for the user: what is skipped or changed, and why
};

struct QuantizeReport {
  std::string output;
  double seconds = 0;
  int64_t peak_bytes = 0;               // measured peak resident memory of the process
  int64_t gpu_peak_bytes = 0;           // measured peak GPU memory, with an estimate for CUDA itself; 0 on a CPU
  int64_t bytes_in = 0, bytes_out = 0;  // tensor bytes before and after
  int resumed_layers = 0;               // layers that an earlier run finished
  // False when the calibration text is too short to hold out windows on which errors are measured (docs/quantize.md).
  bool errors_meaningful = true;
  std::vector<ModuleReport> modules;
  std::vector<std::string> notes;  // messages for the user
};

struct QuantizeProgress {
  std::string phase;                     // "calibration", "layer 3/32 mlp.down_proj", "saving"
  double fraction = 0;                   // completed fraction of the job, 0 to 1
  const ModuleReport* module = nullptr;  // a module that was just finished, else nullptr; valid during the call
};

// Called on the thread that called quantize().
using QuantizeSink = std::function<void(const QuantizeProgress&)>;

// Estimates the result, memory and time of quantize() without writing anything: reads the configuration, the headers of
// the weight files and the calibration text. If `output` is not "", also checks the output folder. Throws the errors of
// quantize() that these reveal.
QuantizePlan plan_quantize(const QuantizeOptions& options);

// Quantizes the model layer by layer. Unfinished work is in `<output>.partial`; the result is renamed to `output` at
// the end, so that `output` is either absent or complete.
//
// After a stop request the current layer is finished and Error(kInterrupted) is thrown. The work can then be continued
// with `resume`, as after any error once the first layer is finished; an earlier error removes `<output>.partial`. If
// memory is exhausted, the work continues from the last finished layer with a smaller memory plan; the report has a
// note about it.
//
// Throws Error of these kinds:
//   kUsage                    invalid options, or an output folder that must not be replaced
//   kNotFound, kPermission    a file or folder that is missing or not accessible
//   kVerification             damaged or unsupported files
//   kNumerical                NaN, infinity, or a scale or bias beyond fp16; the message names the module
//   kOutOfMemory              no memory plan fits (nothing is written then), or memory is exhausted
//   kGeneral                  a full disk, a lost GPU, or another process that uses the same output
//   kInterrupted              `stop` was requested
QuantizeReport quantize(const QuantizeOptions& options, const QuantizeSink& on_progress = {},
                        std::stop_token stop = {});

// A quantized checkpoint that has no folder of its own yet: it lies in a temporary folder, which is removed with the object.
// Not safe for concurrent calls.
class QuantizedModel {
 public:
  // quantize() into a temporary folder; options.output must be "", `resume` and `force` have no meaning. `workspace`: folder
  // for the temporary one, with room for the checkpoint; "" = $XDG_CACHE_HOME/gptq/unsaved (~/.cache/gptq/unsaved), or the
  // system's folder for temporary files where that one cannot be created.
  // Temporary folders that killed processes left there are removed.
  static QuantizedModel create(QuantizeOptions options, const std::string& workspace = "",
                               const QuantizeSink& on_progress = {}, std::stop_token stop = {});
  QuantizedModel(QuantizedModel&&) noexcept;
  QuantizedModel& operator=(QuantizedModel&&) noexcept;
  ~QuantizedModel();

  const QuantizeReport& report() const;  // its `output` is folder()
  const std::string& folder() const;     // a complete checkpoint folder, for example for Engine::open

  // Writes the checkpoint into a folder, any number of times. Creates the folder when it does not exist; in an existing one,
  // files of the checkpoint replace those of the same name and the weight files of an earlier checkpoint, other files
  // stay. Everything is written under temporary names first: an error while writing leaves the folder as it was. Throws
  // Error(kUsage) when the folder is or holds the model that was quantized, or holds weights that are not quantized.
  // `again`: the model was saved there before; then only weights and the configuration are replaced, while tokenizer,
  // template and generation settings stay as they are, since only their user can have changed them.
  void save(const std::string& folder, bool again = false) const;

 private:
  class Impl;
  explicit QuantizedModel(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Copies a quantized checkpoint from one folder into another, with the rules and errors of QuantizedModel::save; a copy onto
// itself does nothing. Throws Error(kUsage) when `from` is not quantized, Error(kNotFound) when it does not exist.
void copy_checkpoint(const std::string& from, const std::string& folder, bool again = false);

}  // namespace gptq
