// Resuming an interrupted run: checks of its state, and reading its finished layers.
#include "quantize/resume.h"

#include <gptq/error.h>

#include "checkpoint/packed_format.h"
#include "checkpoint/writer.h"
#include "core/hash.h"

namespace gptq::quantization {

using backend::LinearSpec;
using checkpoint::SafetensorsFile;
using checkpoint::TensorSpec;

namespace {

std::string hash_of(const TensorView& view) { return sha256_hex({view.data, view.bytes()}); }

std::string hash_of_file(const fs::path& path) { return sha256_hex(MappedFile(path).bytes()); }

std::string start_over(const OutputFolder& folder) {
  return "; start over with --force, or use another output folder than " + folder.output().string();
}

[[noreturn]] void throw_damaged(const OutputFolder& folder, const std::string& what) {
  throw Error(ErrorKind::kVerification, "resuming " + folder.partial().string() + ": " + what + start_over(folder));
}

// "options, config.json"; empty if the inputs of both runs are equal.
std::string difference(const std::map<std::string, std::string>& ours,
                       const std::map<std::string, std::string>& theirs) {
  std::map<std::string, std::string> all = ours;
  all.insert(theirs.begin(), theirs.end());
  std::string names;
  for (const auto& [name, unused] : all) {
    const auto a = ours.find(name), b = theirs.find(name);
    if (a != ours.end() && b != theirs.end() && a->second == b->second) continue;
    names += (names.empty() ? "" : ", ") + name;
  }
  return names;
}

std::vector<SafetensorsFile> open_shards(const fs::path& folder) {
  std::vector<SafetensorsFile> shards;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(folder, none)) {
    if (entry.path().extension() == ".safetensors") shards.emplace_back(entry.path());
  }
  return shards;
}

TensorView find_tensor(const std::vector<SafetensorsFile>& shards, const std::string& name) {
  for (const SafetensorsFile& shard : shards) {
    if (shard.contains(name)) return shard.tensor(name);
  }
  throw Error(ErrorKind::kVerification,
              "resuming: " + name + " is missing from the unfinished output; start over with --force");
}

const std::string& recorded(const std::map<std::string, std::string>& hashes, const std::string& name,
                            const OutputFolder& folder) {
  const auto found = hashes.find(name);
  if (found == hashes.end()) throw_damaged(folder, "its journal has no hash of " + name + ": it was edited");
  return found->second;
}

// Checks that the journal names the modules of each finished layer as a run writes them.
void check_journal(const Job& job, const OutputFolder& folder, const JournalState& state) {
  if (state.layers_done < 0 || state.layers_done > job.architecture.layers ||
      (state.complete && state.layers_done != job.architecture.layers)) {
    throw_damaged(folder, "its journal names " + std::to_string(state.layers_done) +
                              " finished layers, the model has " + std::to_string(job.architecture.layers));
  }
  size_t next = 0;
  for (int layer = 0; layer < state.layers_done; ++layer) {
    job.for_each_linear(layer, [&](const std::string& module, const LinearSpec&, const GridOptions&) {
      if (next >= state.modules.size() || state.modules[next].name != module)
        throw_damaged(folder, "its journal does not name the module " + module + " in its place: it was edited");
      ++next;
    });
  }
  if (next != state.modules.size())
    throw_damaged(folder, "its journal names more modules than its finished layers have");
}

void check_sources(const Job& job, const OutputFolder& folder, const JournalState& state, int layer) {
  for (const auto& [name, hash] : job.hash_replaced(layer)) {
    if (recorded(state.sources, name, folder) == hash) continue;
    throw Error(ErrorKind::kUsage, "resuming " + folder.partial().string() + ": the tensor " + name + " of " +
                                       (job.checkpoint.folder() / job.checkpoint.file_of(name)).string() +
                                       " is not the one that was quantized: the weights were replaced" +
                                       start_over(folder));
  }
}

void check_copied(const Job& job, const OutputFolder& folder, const JournalState& state) {
  for (const TensorSpec& spec : job.copied) {
    if (recorded(state.tensors, spec.name, folder) == hash_of(job.checkpoint.tensor(spec.name))) continue;
    throw Error(ErrorKind::kUsage, "resuming " + folder.partial().string() + ": the tensor " + spec.name + " of " +
                                       (job.checkpoint.folder() / job.checkpoint.file_of(spec.name)).string() +
                                       " is not the one of the unfinished run: the weights were replaced" +
                                       start_over(folder));
  }
}

void check_tensor(const OutputFolder& folder, const JournalState& state, const std::vector<SafetensorsFile>& shards,
                  const std::string& name) {
  if (hash_of(find_tensor(shards, name)) == recorded(state.tensors, name, folder)) return;
  throw_damaged(folder, "the finished tensor " + name + " is damaged");
}

void check_stop(const Job& job, const std::stop_token& stop) {
  if (!stop.stop_requested()) return;
  throw Error(ErrorKind::kInterrupted, "resuming " + job.options.model +
                                           " stopped before the next layer; run the same command "
                                           "with --resume");
}

}  // namespace

std::map<std::string, std::string> hash_files(const fs::path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    const std::string name = fs::relative(entry.path(), folder).string();
    if (!entry.is_regular_file() || entry.path().extension() == ".safetensors") continue;
    files.emplace(name, hash_of_file(entry.path()));
  }
  return files;
}

void check_complete(const Job& job, const OutputFolder& folder, const fs::path& model, const JournalState& state,
                    const std::stop_token& stop) {
  const std::vector<SafetensorsFile> shards = open_shards(model);
  for (const TensorSpec& spec : job.all_tensors()) {
    check_stop(job, stop);
    check_tensor(folder, state, shards, spec.name);
  }
  if (const std::string names = difference(hash_files(model), state.files); !names.empty())
    throw_damaged(folder, "of the finished files in " + model.string() + ", these were changed: " + names);
}

JournalState take_over(const Job& job, const OutputFolder& folder, const QuantizeSink& on_progress,
                       const std::stop_token& stop) {
  JournalState fresh;
  fresh.model = job.options.model;
  fresh.inputs = job.inputs();
  std::optional<JournalState> found;
  try {
    found = Journal(folder.partial()).read();
  } catch (const Error&) {
    if (!job.options.force || job.options.resume) throw;
  }
  if (!found || (found->layers_done == 0 && !found->complete)) return fresh;
  const std::string differs = difference(fresh.inputs, found->inputs);
  if (!differs.empty()) {
    if (job.options.force && !job.options.resume) return fresh;
    const std::string of_model = "of the model " + found->model;
    throw Error(ErrorKind::kUsage,
                "resuming " + folder.partial().string() + ": it is the unfinished work " + of_model +
                    ", made with other options, calibration text or model; what differs: " + differs +
                    "; use the same ones, choose another output folder, or start over with --force");
  }
  if (!found->complete && !job.options.resume) {
    if (job.options.force) return fresh;
    throw Error(ErrorKind::kUsage,
                "creating " + folder.partial().string() + ": found the unfinished work of an earlier run (" +
                    std::to_string(found->layers_done) + " layers); continue with --resume or start over with --force");
  }
  try {
    check_journal(job, folder, *found);
    check_copied(job, folder, *found);
    const std::vector<SafetensorsFile> shards = open_shards(folder.model());
    for (int layer = 0; layer < found->layers_done; ++layer) {
      check_stop(job, stop);
      if (on_progress) on_progress({"checking layer " + std::to_string(layer + 1), 0.0});
      check_sources(job, folder, *found, layer);
      if (found->complete) continue;  // its tensors are checked with the rest
      job.for_each_linear(layer, [&](const std::string& module, const LinearSpec& linear, const GridOptions& grid) {
        for (const TensorSpec& spec : checkpoint::packed_specs(module, linear.in_features, linear.out_features,
                                                               grid.bits, grid.group_size, linear.bias)) {
          check_tensor(folder, *found, shards, spec.name);
        }
      });
    }
    if (found->complete)
      check_complete(job, folder, folder.is_published() ? folder.output() : folder.model(), *found, stop);
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::kInterrupted || !job.options.force || job.options.resume) throw;
    return fresh;
  }
  return *found;
}

namespace {

PackedWeight read_finished(const std::vector<SafetensorsFile>& shards, const std::string& module,
                           const LinearSpec& linear, const GridOptions& grid, checkpoint::CheckpointFormat format) {
  const auto tensor = [&](const std::string& name) { return find_tensor(shards, name); };
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
  w.group_size = GroupSize(grid.group_size).columns(linear.in_features);
  w.qweight = copy(module + ".qweight");
  w.scales = copy(module + ".scales");
  w.g_idx = copy(module + ".g_idx");
  w.qzeros = format == checkpoint::CheckpointFormat::kGptq
                 ? checkpoint::plain_zeros(tensor(module + ".qzeros"), grid.bits, checkpoint::ZeroRule::kPerField)
                 : copy(module + ".qzeros");
  if (linear.bias) w.bias = to_float32(tensor(module + ".bias"), module + ".bias");
  return w;
}

}  // namespace

void replay_finished_layers(const Job& job, const OutputFolder& folder, const JournalState& state, Pipeline& pipeline,
                            const QuantizeSink& on_progress, const std::stop_token& stop) {
  const std::vector<SafetensorsFile> shards = open_shards(folder.model());
  for (int layer = 0; layer < state.layers_done; ++layer) {
    check_stop(job, stop);
    if (on_progress) {
      on_progress({"replaying layer " + std::to_string(layer + 1) + "/" + std::to_string(job.architecture.layers),
                   static_cast<double>(layer) / static_cast<double>(job.architecture.layers)});
    }
    std::vector<PackedWeight> linears;
    job.for_each_linear(layer, [&](const std::string& module, const LinearSpec& linear, const GridOptions& grid) {
      linears.push_back(read_finished(shards, module, linear, grid, job.plan.format));
    });
    pipeline.replay_layer(layer, linears);
  }
}

void mark_finished_layers(const Job& job, const JournalState& state, checkpoint::CheckpointWriter& writer) {
  for (int layer = 0; layer < state.layers_done; ++layer) {
    job.for_each_linear(layer, [&](const std::string& module, const LinearSpec& linear, const GridOptions& grid) {
      for (const TensorSpec& spec : checkpoint::packed_specs(module, linear.in_features, linear.out_features, grid.bits,
                                                             grid.group_size, linear.bias)) {
        writer.mark_written(spec.name, state.tensors.at(spec.name));
      }
    });
  }
}

}  // namespace gptq::quantization
