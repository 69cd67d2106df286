// QuantizedModel: a checkpoint in a temporary folder, and saving it elsewhere.
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <gptq/error.h>
#include <gptq/quantize.h>

#include "checkpoint/checkpoint.h"
#include "checkpoint/writer.h"
#include "core/file.h"
#include "core/json.h"
#include "core/owner_lock.h"
#include "quantize/output_folder.h"

namespace gptq::quantization {

namespace {

constexpr char kOwnerFile[] = "gptq.lock";
constexpr char kUnsavedPrefix[] = "unsaved-";
constexpr char kIndexFile[] = "model.safetensors.index.json";

fs::path default_workspace() {
  const auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? fs::path() : fs::path(value);
  };
  fs::path cache = variable("XDG_CACHE_HOME");
  if (cache.empty() && !variable("HOME").empty()) cache = variable("HOME") / ".cache";
  std::error_code error;
  if (!cache.empty()) fs::create_directories(cache / "gptq" / "unsaved", error);
  return cache.empty() || error ? fs::temp_directory_path() / "gptq-unsaved" : cache / "gptq" / "unsaved";
}

// Removes the temporary folders whose processes have ended.
void remove_abandoned(const fs::path& workspace) {
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator(workspace, ignored)) {
    const fs::path lock = entry.path() / kOwnerFile;
    if (entry.path().filename().string().rfind(kUnsavedPrefix, 0) != 0 || !OwnerLock::made(lock)) continue;
    try {
      const auto held = OwnerLock::acquire(lock, "");
      if (held) fs::remove_all(entry.path(), ignored);
    } catch (const Error&) {  // its process still runs, or the folder is somebody else's
    }
  }
}

// A new folder that no other process has, and its removal.
class TemporaryFolder {
 public:
  explicit TemporaryFolder(const fs::path& workspace) {
    std::error_code error;
    fs::create_directories(workspace, error);
    if (error) throw_system_error("creating", workspace, error.value());
    remove_abandoned(workspace);
    std::string name = (fs::absolute(workspace) / (std::string(kUnsavedPrefix) + "XXXXXX")).string();
    if (::mkdtemp(name.data()) == nullptr) throw_system_error("creating a temporary folder in", workspace, errno);
    path_ = name;
    if (auto lock = OwnerLock::acquire(path_ / kOwnerFile, "working in " + name))
      lock_ = std::make_unique<OwnerLock>(std::move(*lock));
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  // A child made by fork() leaves the folder to its parent.
  ~TemporaryFolder() {
    if (::getpid() != process_) {
      (void)lock_.release();
      return;
    }
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }

  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
  std::unique_ptr<OwnerLock> lock_;
  const pid_t process_ = ::getpid();
};

// A save that was killed leaves a folder without config.json.
bool is_quantized(const fs::path& folder) {
  const fs::path path = folder / "config.json";
  if (!fs::exists(path)) return fs::exists(folder / "quantize_config.json");
  try {
    return checkpoint::Checkpoint::open(folder).quantize_config().has_value();
  } catch (const Error&) {  // damaged, or of another format
    return parse_json(read_small_file(path), path.string()).contains("quantization_config");
  }
}

// Weight files that a checkpoint in the folder consists of, by the names that readers look for.
std::set<std::string> weight_files(const fs::path& folder) {
  std::set<std::string> names;
  if (fs::exists(folder / "model.safetensors")) names.insert("model.safetensors");
  if (!fs::exists(folder / kIndexFile)) return names;
  names.insert(kIndexFile);
  const Json index = parse_json(read_small_file(folder / kIndexFile), (folder / kIndexFile).string());
  const auto map = index.find("weight_map");
  if (map == index.end() || !map->is_object()) return names;
  for (const Json& file : *map) {
    if (file.is_string() && fs::path(file.get<std::string>()).filename() == file.get<std::string>())
      names.insert(file.get<std::string>());
  }
  return names;
}

void check_target(const fs::path& target, const std::string& model) {
  const std::string verb = "saving to " + target.string();
  if (!fs::exists(target)) return;
  if (!fs::is_directory(target)) throw Error(ErrorKind::kUsage, verb + ": found a file of that name; choose another");
  if (holds_model(target, model)) {
    throw Error(ErrorKind::kUsage, verb + ": the folder is or contains the model " + model + "; choose another one");
  }
  const bool has_weights = !weight_files(target).empty() || fs::exists(target / "pytorch_model.bin") ||
                           fs::exists(target / "pytorch_model.bin.index.json");
  if (has_weights && !is_quantized(target)) {
    throw Error(ErrorKind::kUsage,
                verb +
                    ": the folder contains the weights of a model that is not quantized, which are not replaced; "
                    "choose another folder");
  }
}

// Paths of the files of a checkpoint in its folder; config.json last, since a folder without it was never finished.
std::vector<fs::path> checkpoint_files(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const fs::path name = entry.path().filename();
    const bool of_model = checkpoint::is_model_file(name.string()) || name.extension() == ".safetensors";
    if (of_model && entry.is_regular_file()) files.push_back(name);
  }
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(folder / checkpoint::kTemplatesFolder, none)) {
    if (entry.is_regular_file()) files.push_back(entry.path().lexically_relative(folder));
  }
  std::sort(files.begin(), files.end());
  std::stable_partition(files.begin(), files.end(), [](const fs::path& file) { return file != "config.json"; });
  return files;
}

// The files that quantization changes; the others are copies of the model's, which their user may have edited.
bool is_result(const fs::path& file) {
  return file.extension() == ".safetensors" || file == kIndexFile || file == "config.json" ||
         file == "quantize_config.json";
}

void save_to(const fs::path& from, const fs::path& target, bool again) {
  if (!fs::exists(from / "config.json")) {
    throw Error(ErrorKind::kNotFound, "saving to " + target.string() + ": the checkpoint " + from.string() +
                                          " has no config.json, or does not exist any more");
  }
  std::error_code error;
  fs::create_directories(target, error);
  if (error) throw_system_error("creating the folder", target, error.value());
  const std::set<std::string> earlier = weight_files(target);
  std::vector<StagedFile> staged;
  for (const fs::path& file : checkpoint_files(from)) {
    if (again && !is_result(file) && fs::exists(target / file)) continue;
    fs::create_directories((target / file).parent_path(), error);
    const MappedFile source(from / file);
    staged.emplace_back(target / file,
                        std::string_view(reinterpret_cast<const char*>(source.bytes().data()), source.bytes().size()));
  }
  fs::remove(target / "config.json", error);  // while weights of two checkpoints may lie there, it is none
  for (StagedFile& file : staged) {
    if (file.path() != target / "config.json") file.commit();
  }
  for (const std::string& name : earlier) {
    if (!fs::exists(from / name)) fs::remove(target / name, error);
  }
  staged.back().commit();
}

}  // namespace

}  // namespace gptq::quantization

namespace gptq {

class QuantizedModel::Impl {
 public:
  Impl(QuantizeOptions options, const std::string& workspace, const QuantizeSink& on_progress,
       const std::stop_token& stop)
      : folder_(workspace.empty() ? quantization::default_workspace() : fs::path(workspace)), model_(options.model) {
    options.output = (folder_.path() / "model").string();
    options.resume = options.force = false;
    report_ = quantize(options, on_progress, stop);
  }

  const QuantizeReport& report() const { return report_; }

  void save(const std::string& folder, bool again) const {
    if (folder.empty()) throw Error(ErrorKind::kUsage, "saving the quantized model: no folder given");
    const fs::path target = fs::absolute(folder);
    quantization::check_target(target, model_);
    quantization::save_to(report_.output, target, again);
  }

 private:
  quantization::TemporaryFolder folder_;
  std::string model_;
  QuantizeReport report_;
};

QuantizedModel::QuantizedModel(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
QuantizedModel::QuantizedModel(QuantizedModel&&) noexcept = default;
QuantizedModel& QuantizedModel::operator=(QuantizedModel&&) noexcept = default;
QuantizedModel::~QuantizedModel() = default;

QuantizedModel QuantizedModel::create(QuantizeOptions options, const std::string& workspace,
                                      const QuantizeSink& on_progress, std::stop_token stop) {
  if (!options.output.empty()) {
    throw Error(ErrorKind::kUsage, "quantizing " + options.model + " without an output folder: the folder " +
                                       options.output + " is given; use save()");
  }
  return QuantizedModel(std::make_unique<Impl>(std::move(options), workspace, on_progress, stop));
}

void copy_checkpoint(const std::string& from, const std::string& folder, bool again) {
  if (fs::exists(fs::path(from) / "config.json") && !quantization::is_quantized(from)) {
    throw Error(ErrorKind::kUsage,
                "copying the checkpoint " + from + ": it is not quantized; quantize it, or copy the folder yourself");
  }
  std::error_code ignored;
  if (fs::equivalent(from, folder, ignored)) return;
  const fs::path target = fs::absolute(folder);
  quantization::check_target(target, from);
  quantization::save_to(from, target, again);
}

const QuantizeReport& QuantizedModel::report() const { return impl_->report(); }
const std::string& QuantizedModel::folder() const { return impl_->report().output; }
void QuantizedModel::save(const std::string& folder, bool again) const { impl_->save(folder, again); }

}  // namespace gptq
