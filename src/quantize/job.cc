// Reading the inputs of a quantization, and the hashes that identify them.
#include "quantize/job.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <set>

#include <gptq/error.h>
#include <gptq/gptq.h>
#include <gptq/tokenizer.h>

#include "checkpoint/packed_format.h"
#include "core/hash.h"
#include "core/json.h"
#include "hub/repository/origin.h"
#include "model/families.h"
#include "quantize/storable.h"

namespace gptq::quantization {

using checkpoint::QuantizeConfig;
using checkpoint::TensorSpec;

namespace {

// Summary of the modules' relative squared errors; null if nothing was quantized or an error was not measured.
Json error_summary(const std::vector<ModuleReport>& modules) {
  const auto measured = [](const ModuleReport& module) { return std::isfinite(module.error); };
  if (modules.empty() || !std::all_of(modules.begin(), modules.end(), measured)) return nullptr;
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

std::string hash_of(const std::string& text) { return sha256_hex(std::as_bytes(std::span(text))); }

// Null for a folder without a tokenizer, if none is needed.
std::unique_ptr<Tokenizer> open_tokenizer(const QuantizeOptions& options) {
  try {
    return std::make_unique<Tokenizer>(Tokenizer::open(options.model));
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kNotFound || !only_token_ids(options)) throw;
    return nullptr;
  }
}

// As GPTQModel writes and requires it: null or an object. "device": where it would keep the correction's inputs.
Json gptaq_record(double strength) {
  if (strength == 0) return nullptr;
  return {{"alpha", strength}, {"device", "auto"}};
}

// GPTQModel and programs based on it accept asymmetric v1 files only from GPTQModel 0.9.0 or later (same zeros).
Json quantizers(const QuantizeConfig& config) {
  Json names = Json::array({"gptq:" + version()});
  if (config.format == checkpoint::CheckpointFormat::kGptq && !config.sym) names.push_back("gptqmodel:0.9.0");
  return names;
}

}  // namespace

Job::Job(const QuantizeOptions& o)
    : options(o),
      checkpoint(checkpoint::Checkpoint::open(o.model, checkpoint::Purpose::kQuantize)),
      architecture(model::read_architecture(checkpoint.config(), (checkpoint.folder() / "config.json").string())),
      plan(plan_modules(architecture, o)) {
  if (checkpoint.quantize_config()) {
    throw Error(ErrorKind::kUsage, "quantizing " + o.model + ": it is already quantized (" +
                                       std::to_string(checkpoint.quantize_config()->bits) +
                                       " bits); start from the original 16-bit model");
  }
  const std::unique_ptr<Tokenizer> tokenizer = open_tokenizer(o);
  calibration = load_calibration(o, tokenizer.get(), architecture.context_length);
  check_tokens(tokenizer != nullptr);
  Device::parse(o.compute.device);
  check_biases(checkpoint, plan);
  for (const fs::path& path : checkpoint.files()) files_.emplace(path, state_of(path));
  list_tensors();
}

void Job::check_tokens(bool tokenized) const {
  const Windows& held = calibration.held;
  for (const std::vector<TokenId>* tokens : {&calibration.tokens, &held.tokens}) {
    for (const TokenId id : *tokens) {
      if (id >= 0 && id < architecture.vocab_size) continue;
      const std::string found = "found token " + std::to_string(id) + ", the model's tokens are 0 to " +
                                std::to_string(architecture.vocab_size - 1);
      if (!tokenized)
        throw Error(ErrorKind::kUsage,
                    "reading rows of calibration text: " + found + "; they were made for another model");
      throw Error(ErrorKind::kVerification,
                  "tokenizing the calibration text: " + found + "; tokenizer.json belongs to another model");
    }
  }
}

std::vector<std::string> Job::notes() const {
  std::vector<std::string> all = plan.notes;
  all.insert(all.end(), calibration.notes.begin(), calibration.notes.end());
  return all;
}

int Job::module_count() const {
  int count = 0;
  for (const LayerPlan& layer : plan.layers) {
    for (const SetPlan& set : layer.sets) count += set.grid ? static_cast<int>(set.set.linears.size()) : 0;
  }
  return count;
}

MemoryProblem Job::memory_problem(const backend::Backend& backend) const {
  const backend::Capabilities& c = backend.capabilities();
  return {architecture,
          plan,
          calibration.lengths,
          calibration.held.lengths,
          options.gptaq > 0,
          options.true_sequential,
          c.batch_rows,
          static_cast<int64_t>(size_of(c.activation_dtype)),
          [&backend](backend::GptqOp op, int64_t n, int64_t k) { return backend.scratch_bytes(op, n, k); }};
}

std::unique_ptr<backend::Backend> Job::open_backend(const BackendMaker& make) const {
  return make(options.compute, checkpoint.tensor(architecture.names.embedding).dtype);
}

void Job::list_tensors() {
  std::set<std::string> replaced;
  for (int64_t layer = 0; layer < architecture.layers; ++layer) {
    for_each_linear(layer, [&](const std::string& module, const backend::LinearSpec& linear, const GridOptions& grid) {
      replaced.insert({module + ".weight", module + ".bias"});
      const auto specs = checkpoint::packed_specs(module, linear.in_features, linear.out_features, grid.bits,
                                                  grid.group_size, linear.bias);
      packed.insert(packed.end(), specs.begin(), specs.end());
    });
  }
  for (const std::string& name : checkpoint.names()) {
    if (replaced.count(name)) continue;
    if (architecture.tied_head && name == architecture.names.head + ".weight")
      continue;  // tied: only the embedding is stored
    const TensorView view = checkpoint.tensor(name);
    copied.push_back({name, view.dtype, view.shape});
  }
}

int64_t Job::bytes_out() const {
  uint64_t bytes = 0;
  for (const auto* list : {&copied, &packed}) {
    for (const TensorSpec& spec : *list) bytes += spec.bytes();
  }
  return static_cast<int64_t>(bytes);
}

std::vector<TensorSpec> Job::all_tensors() const {
  std::vector<TensorSpec> all = copied;
  all.insert(all.end(), packed.begin(), packed.end());
  std::sort(all.begin(), all.end(), [](const TensorSpec& a, const TensorSpec& b) { return a.name < b.name; });
  return all;
}

QuantizeConfig Job::config(const std::vector<ModuleReport>& modules) const {
  QuantizeConfig c = make_quantize_config(plan, options);
  *c.meta = {{"quantizer", quantizers(c)},
             {"act_group_aware", options.grid.group_aware && !options.grid.desc_act},
             {"clip", options.grid.clip},
             {"gptaq", gptaq_record(options.gptaq)},
             {"calibration",
              {{"name", calibration.name},
               {"sha256", calibration.sha256},
               {"samples", calibration.lengths.size()},
               {"seqlen", calibration.seqlen},
               {"seed", options.seed}}}};
  if (const Json errors = error_summary(modules); !errors.is_null()) (*c.meta)["errors"] = errors;
  if (const Json origin = hub::to_json(hub::origin_of(checkpoint.folder())); !origin.is_null())
    (*c.meta)["base_model"] = origin;
  return c;
}

std::map<std::string, std::string> Job::inputs() const {
  const Json settings = {{"quantize_config", checkpoint::to_json(make_quantize_config(plan, options)).dump()},
                         {"group_aware", options.grid.group_aware},
                         {"clip", options.grid.clip},
                         {"gptaq", options.gptaq},
                         {"max_shard_bytes", options.max_shard_bytes}};
  std::map<std::string, std::string> all = {
      {"program version", version()},
      {"options", hash_of(settings.dump())},
      {"calibration text, --samples or --seqlen", hash_of(calibration.sha256 + " " + Json(calibration.lengths).dump())},
      {"config.json", hash_of(checkpoint.ordered_config().dump())}};
  std::map<std::string, Json> headers;
  for (const std::string& name : checkpoint.names()) {
    const checkpoint::TensorEntry& entry = checkpoint.entry(name);
    headers[checkpoint.file_of(name)].push_back({name, entry.dtype_name, entry.shape, entry.begin, entry.end});
  }
  for (const auto& [file, header] : headers) all["header of " + file] = hash_of(header.dump());
  return all;
}

std::map<std::string, std::string> Job::hash_replaced(int64_t layer) const {
  std::map<std::string, std::string> hashes;
  const auto add = [&](const std::string& name) {
    const TensorView view = checkpoint.tensor(name);
    hashes[name] = sha256_hex({view.data, view.bytes()});
  };
  for_each_linear(layer, [&](const std::string& module, const backend::LinearSpec& linear, const GridOptions&) {
    add(module + ".weight");
    if (linear.bias) add(module + ".bias");
  });
  return hashes;
}

Job::FileState Job::state_of(const fs::path& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) throw_system_error("reading", path, errno);
  return {info.st_dev, info.st_ino, static_cast<uint64_t>(info.st_size), info.st_mtim.tv_sec, info.st_mtim.tv_nsec};
}

void Job::check_unchanged() const {
  for (const auto& [path, before] : files_) {
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0) continue;  // deleted: the mapping keeps it
    const FileState now = state_of(path);
    if (now == before || now.inode != before.inode || now.device != before.device) continue;
    throw Error(ErrorKind::kVerification,
                "quantizing " + options.model + ": " + path.string() + " changed during the run (it has " +
                    std::to_string(now.size) + " bytes, had " + std::to_string(before.size) +
                    "); restore it and continue with --resume, which verifies its content, or start over with --force");
  }
}

}  // namespace gptq::quantization
