// Checks before the run, the lock, and renames and removals of files made by gptq only.
#include "quantize/output_folder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include <gptq/error.h>

#include "checkpoint/writer.h"
#include "core/check.h"
#include "core/json.h"
#include "quantize/journal.h"

namespace gptq::quantization {

namespace {

constexpr char kLock[] = "gptq.lock";
constexpr char kModel[] = "model";
constexpr char kReplaced[] = "replaced";

enum class Kind { kNothing, kEmptyFolder, kFolder, kLink, kOther };

// The kind of `path` itself: links are not followed. Throws system errors.
Kind look_at(const std::string& verb, const fs::path& path) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return Kind::kNothing;
    throw_system_error(verb, path, errno);
  }
  if (S_ISLNK(info.st_mode)) return Kind::kLink;
  if (!S_ISDIR(info.st_mode)) return Kind::kOther;
  std::error_code error;
  const fs::directory_iterator entries(path, error);
  if (error == std::errc::no_such_file_or_directory) return Kind::kNothing;  // removed in between
  if (error) throw_system_error(verb, path, error.value());
  return entries == fs::directory_iterator() ? Kind::kEmptyFolder : Kind::kFolder;
}

bool is_plain(const fs::directory_entry& entry, fs::file_type type) {
  std::error_code ignored;
  return entry.symlink_status(ignored).type() == type;
}

std::string wanted_name(const fs::directory_entry& entry) {
  const std::string name = entry.path().filename().string();
  const std::string_view target = target_of_temporary(name);
  return std::string(target.empty() ? name : target);
}

// The entries of a model folder (`of_model`) or of DIR.partial that were not made by gptq, including all links.
void list_foreign(const fs::path& folder, bool of_model, std::vector<fs::path>& found) {
  std::error_code gone;  // its owner may be removing it
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, gone)) {
    const std::string name = entry.path().filename().string();
    const bool file = is_plain(entry, fs::file_type::regular), directory = is_plain(entry, fs::file_type::directory);
    if (of_model && file && checkpoint::is_model_file(wanted_name(entry))) continue;
    if (of_model && directory && name == checkpoint::kTemplatesFolder) {
      for (const fs::directory_entry& item : fs::directory_iterator(entry.path(), gone)) {
        if (!is_plain(item, fs::file_type::regular)) found.push_back(item.path());
      }
      continue;
    }
    if (!of_model && file && (name == kLock || wanted_name(entry) == Journal::kName)) continue;
    if (!of_model && directory && (name == kModel || name == kReplaced)) {
      list_foreign(entry.path(), true, found);
      continue;
    }
    found.push_back(entry.path());
  }
}

// Removes a model folder made by gptq: its files by name, then the folder, which stays if it holds anything else.
void remove_model(const fs::path& folder) {
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, ignored)) {
    if (is_plain(entry, fs::file_type::regular) && checkpoint::is_model_file(wanted_name(entry)))
      fs::remove(entry.path(), ignored);
    if (!is_plain(entry, fs::file_type::directory) || entry.path().filename() != checkpoint::kTemplatesFolder) continue;
    for (const fs::directory_entry& item : fs::directory_iterator(entry.path(), ignored)) {
      if (is_plain(item, fs::file_type::regular)) fs::remove(item.path(), ignored);
    }
    fs::remove(entry.path(), ignored);
  }
  fs::remove(folder, ignored);
}

// Why `folder` is not a checkpoint made by gptq without other files; "" if it is one.
std::string why_not_ours(const fs::path& folder) {
  std::vector<fs::path> foreign;
  list_foreign(folder, true, foreign);
  if (!foreign.empty()) return "it holds " + foreign.front().filename().string();
  bool weights = false;
  for (const auto& entry : fs::directory_iterator(folder)) weights |= entry.path().extension() == ".safetensors";
  if (!weights || !fs::exists(folder / "config.json")) return "it has no config.json and *.safetensors";
  try {
    const fs::path path = folder / "quantize_config.json";
    const Json json = parse_json(read_file(path), path.string());
    for (const Json& maker : json.at("meta").at("quantizer")) {
      if (maker.get<std::string>().rfind("gptq:", 0) == 0) return "";
    }
  } catch (const std::exception&) {  // not made by gptq
  }
  return "its quantize_config.json does not name gptq as the quantizer";
}

// Whether `path` is `folder` or is inside it; links are followed.
bool holds(const fs::path& folder, const fs::path& path) {
  std::error_code error;
  for (fs::path at = fs::weakly_canonical(path, error); !error && !at.empty(); at = at.parent_path()) {
    if (fs::equivalent(at, folder, error)) return true;
    error.clear();
    if (at == at.root_path()) break;
  }
  return false;
}

bool is_mount_point(const fs::path& folder) {
  struct statx info {};
  if (::statx(AT_FDCWD, folder.c_str(), AT_SYMLINK_NOFOLLOW, STATX_TYPE, &info) != 0) return false;
  return (info.stx_attributes_mask & info.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

bool is_writable(const fs::path& folder) { return ::access(folder.c_str(), W_OK | X_OK) == 0; }

void rename(const fs::path& from, const fs::path& to, const fs::path& kept) {
  if (::rename(from.c_str(), to.c_str()) == 0) return;
  const int reason = errno;
  try {
    throw_system_error("renaming " + from.string() + " to", to, reason);
  } catch (const Error& error) {
    throw Error(error.kind(), std::string(error.what()) + "; the result is complete in " + kept.string() +
                                  ": make room for it and repeat the same command with --resume");
  }
}

}  // namespace

bool holds_model(const fs::path& folder, const fs::path& model) {
  if (holds(folder, model)) return true;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(model, error)) {
    if (holds(folder, entry.path())) return true;
  }
  return false;
}

OutputFolder::OutputFolder(const QuantizeOptions& options) : options_(options) {
  const std::string verb = "creating the output folder " + options.output;
  if (options.output.empty()) {
    throw Error(ErrorKind::kUsage, "quantizing " + options.model + ": no output folder given");
  }
  fs::path given = options.output;
  while (given.filename().empty() && given.has_relative_path()) given = given.parent_path();
  if (given.filename().empty() || given.filename() == "." || given.filename() == "..") {
    throw Error(ErrorKind::kUsage, verb + ": the path must end with the name of the folder to create");
  }
  std::error_code error;
  const fs::path parent = given.has_parent_path() ? given.parent_path() : fs::path(".");
  const fs::path resolved = fs::weakly_canonical(fs::absolute(parent, error), error);
  if (error) throw_system_error("creating the output folder", options.output, error.value());
  output_ = resolved / given.filename();
  check_output();
  check_partial();
}

bool OutputFolder::is_published() const {
  std::error_code ignored;
  if (fs::exists(model(), ignored) || !output_exists() || !OwnerLock::made(partial() / kLock)) return false;
  try {
    const std::optional<JournalState> state = Journal(partial()).read();
    return state && state->complete;
  } catch (const Error&) {
    return false;
  }
}

bool OutputFolder::output_exists() const { return look_at("creating the output folder", output_) == Kind::kFolder; }

void OutputFolder::check_output() const {
  const std::string verb = "creating the output folder " + output_.string();
  const Kind kind = look_at("creating the output folder", output_);
  if (holds(options_.model, output_.parent_path())) {
    throw Error(ErrorKind::kUsage,
                verb + ": it is inside the model's folder " + options_.model + "; choose another place");
  }
  if (kind == Kind::kNothing) return;
  if (kind == Kind::kLink) {
    throw Error(ErrorKind::kUsage, verb + ": the path is a symbolic link; use the folder itself, or remove the link");
  }
  if (kind == Kind::kOther) {
    throw Error(ErrorKind::kUsage, verb + ": the path is a file; choose another name, or remove the file");
  }
  if (holds_model(output_, options_.model)) {
    std::error_code ignored;
    const bool same = fs::equivalent(output_, options_.model, ignored);
    throw Error(ErrorKind::kUsage, verb + ": it " + (same ? "is the model's own folder" : "holds files of the model ") +
                                       (same ? "" : options_.model) + "; choose another one");
  }
  if (holds(output_, ".")) {
    throw Error(ErrorKind::kUsage, verb + ": it is or contains the current folder; run from another folder");
  }
  if (is_mount_point(output_)) {
    throw Error(ErrorKind::kUsage, verb +
                                       ": it is a mount point, which cannot be replaced; choose a "
                                       "folder inside it");
  }
  if (kind == Kind::kEmptyFolder || (options_.resume && is_published())) return;
  if (!options_.force) {
    throw Error(ErrorKind::kUsage, verb + ": it already exists; choose another one or replace it with --force");
  }
  if (const std::string reason = why_not_ours(output_); !reason.empty()) {
    throw Error(ErrorKind::kUsage, verb + ": --force replaces only checkpoints that gptq made, and " + reason +
                                       "; choose another folder, or remove this one yourself");
  }
  if (!is_writable(output_) || !is_writable(output_.parent_path())) throw_system_error("replacing", output_, EACCES);
}

void OutputFolder::check_partial() const {
  const fs::path path = partial();
  const std::string verb = "working in " + path.string();
  const Kind kind = look_at("creating", path);
  if (kind == Kind::kNothing || kind == Kind::kEmptyFolder) return;
  const std::string advice = "; move it away or choose another output folder";
  if (kind != Kind::kFolder) {
    throw Error(ErrorKind::kUsage, verb + ": the path exists and is not a folder" + advice);
  }
  if (holds_model(path, options_.model)) {
    throw Error(ErrorKind::kUsage, verb + ": it is or contains the model " + options_.model + advice);
  }
  if (!OwnerLock::made(path / kLock)) {
    const Kind now = look_at("creating", path);  // its owner may have removed it in between
    if (now == Kind::kNothing || now == Kind::kEmptyFolder) return;
    throw Error(ErrorKind::kUsage,
                verb + ": the folder exists and was not made by gptq (it has no " + kLock + ")" + advice);
  }
  std::vector<fs::path> foreign;
  list_foreign(path, false, foreign);
  if (foreign.empty()) return;
  throw Error(ErrorKind::kUsage, verb + ": found " + foreign.front().string() + ", which gptq did not make" + advice);
}

void OutputFolder::lock() {
  const fs::path path = partial();
  std::error_code error;
  fs::create_directories(path.parent_path(), error);
  if (error) throw_system_error("creating", path, error.value());
  while (!lock_) {
    if (::mkdir(path.c_str(), 0777) != 0 && errno != EEXIST) throw_system_error("creating the folder", path, errno);
    check_partial();  // before the lock is made: nothing is written to a folder not made by gptq
    if (auto lock = OwnerLock::acquire(path / kLock, "working in " + path.string())) lock_.emplace(std::move(*lock));
  }
  try {
    check_output();  // another run may have created it before it released the lock
    check_partial();
  } catch (...) {
    leave();
    throw;
  }
}

void OutputFolder::clear() {
  CHECK(lock_.has_value());
  // The journal is removed first: without it, no remaining file counts as finished.
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator(partial(), ignored)) {
    if (is_plain(entry, fs::file_type::regular) && wanted_name(entry) == Journal::kName)
      fs::remove(entry.path(), ignored);
  }
  for (const char* name : {kModel, kReplaced}) remove_model(partial() / name);
}

void OutputFolder::keep_only_weights() {
  CHECK(lock_.has_value());
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator(model(), ignored)) {
    if (is_plain(entry, fs::file_type::regular) && entry.path().extension() != ".safetensors")
      fs::remove(entry.path(), ignored);
  }
  for (const fs::directory_entry& entry : fs::directory_iterator(model() / checkpoint::kTemplatesFolder, ignored))
    fs::remove(entry.path(), ignored);
  fs::remove(model() / checkpoint::kTemplatesFolder, ignored);
  for (const fs::directory_entry& entry : fs::directory_iterator(partial(), ignored)) {
    if (wanted_name(entry) != entry.path().filename()) fs::remove(entry.path(), ignored);  // the journal's
  }
}

void OutputFolder::publish() {
  CHECK(lock_.has_value());
  const fs::path replaced = partial() / kReplaced;
  try {
    if (is_published()) {
      remove_model(replaced);
      return discard();
    }
    check_output();  // both may have changed during the run
    check_partial();
  } catch (const Error& error) {
    throw Error(error.kind(), std::string(error.what()) + "; the result is complete in " + model().string() +
                                  ": make room for it and repeat the same command with --resume");
  }
  const bool moves = output_exists();
  if (moves) {
    remove_model(replaced);
    rename(output_, replaced, model());
  }
  try {
    rename(model(), output_, model());
  } catch (...) {
    if (moves) (void)!::rename(replaced.c_str(), output_.c_str());
    throw;
  }
  remove_model(replaced);  // before the journal: after a kill here, --resume completes the run
  discard();
}

void OutputFolder::discard() noexcept {
  if (!lock_) return;
  try {
    clear();
  } catch (...) {  // what cannot be removed stays, with the lock file that identifies it
  }
  leave();
}

void OutputFolder::leave() noexcept {
  std::error_code error;
  const fs::directory_iterator entries(partial(), error);
  if (!error && std::distance(begin(entries), end(entries)) == 1) {  // only the lock
    lock_->remove_file();
    fs::remove(partial(), error);
  }
  lock_.reset();
}

}  // namespace gptq::quantization
