// Lists, removes and verifies cached models. Source: huggingface_hub's _cache_manager.py.
#include <gptq/hub.h>

#include <algorithm>
#include <map>
#include <set>

#include "hub/cache/cache.h"
#include "hub/http/session.h"
#include "hub/http/transfer_monitor.h"
#include "hub/repository/digest.h"

namespace gptq::hub {

namespace {

std::vector<fs::path> entries_of(const fs::path& folder) {
  std::vector<fs::path> entries;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) entries.push_back(entry.path());
  std::sort(entries.begin(), entries.end());
  return entries;
}

std::vector<fs::path> files_below(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code ignored;
  for (const auto& entry : fs::recursive_directory_iterator(folder, ignored)) {
    if (!entry.is_directory(ignored) || entry.is_symlink(ignored)) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

int64_t size_of(const fs::path& file) {
  std::error_code absent;
  const auto size = static_cast<int64_t>(fs::file_size(file, absent));
  return absent ? 0 : size;
}

// The blob that a name in a snapshot links to; "" for a regular file, and for a link that leads out of the blobs.
fs::path blob_of(const fs::path& name, const fs::path& root) {
  std::error_code failure;
  const fs::path target = fs::read_symlink(name, failure);
  if (failure) return {};
  const fs::path blob = (name.parent_path() / target).lexically_normal();
  return blob.parent_path() == root / "blobs" ? blob : fs::path();
}

CachedRevision read_revision(const fs::path& snapshot, const fs::path& root) {
  CachedRevision revision{snapshot.filename().string(), {}, snapshot.string(), 0, 0};
  const fs::path refs = root / "refs";
  for (const fs::path& ref : files_below(refs)) {
    if (ref.extension() != ".tmp" && size_of(ref) < 1000 && read_small_file(ref) == revision.commit)
      revision.refs.push_back(ref.lexically_relative(refs).string());
  }
  for (const fs::path& file : files_below(snapshot)) {
    ++revision.files;
    revision.bytes += size_of(file);
  }
  return revision;
}

CachedModel read_model(const fs::path& root) {
  CachedModel model{id_of_cache_folder(root.filename().string()), root.string(), 0, {}};
  for (const fs::path& blob : entries_of(root / "blobs")) model.bytes += size_of(blob);
  for (const fs::path& snapshot : entries_of(root / "snapshots")) {
    if (!is_commit(snapshot.filename().string())) continue;
    model.revisions.push_back(read_revision(snapshot, root));
    for (const fs::path& file : files_below(snapshot)) {
      if (!fs::is_symlink(file)) model.bytes += size_of(file);
    }
  }
  return model;
}

Cache cache_of(const std::string& id) {
  Cache cache(Settings::from_environment(), id);
  if (!fs::is_directory(cache.root())) {
    throw Error(ErrorKind::kNotFound, "looking for " + id + " in the cache: found no " + cache.root().string() +
                                          "; `gptq cache ls` lists the cached models");
  }
  return cache;
}

// Remove the snapshot first: from then on its files cannot be found.
int64_t remove_revision(const Cache& cache, const ModelName& name) {
  const std::string commit = cache.commit_of(name.revision);
  const fs::path& root = cache.root();
  if (commit.empty() || !fs::is_directory(cache.folder(commit))) {
    throw Error(ErrorKind::kNotFound, "removing " + name.id + "@" + name.revision +
                                          " from the cache: found no such "
                                          "revision; `gptq cache ls` lists the cached models");
  }
  std::set<fs::path> kept, unused;
  int64_t freed = 0;
  for (const fs::path& snapshot : entries_of(root / "snapshots")) {
    const bool goes = snapshot.filename() == commit;
    for (const fs::path& file : files_below(snapshot)) {
      const fs::path blob = blob_of(file, root);
      if (!blob.empty()) (goes ? unused : kept).insert(blob);
      if (goes && !fs::is_symlink(file)) freed += size_of(file);
    }
  }
  fs::remove_all(cache.folder(commit));
  fs::remove_all(root / ".no_exist" / commit);
  fs::remove(root / "trees" / (commit + ".json"));
  for (const fs::path& ref : files_below(root / "refs")) {
    if (size_of(ref) < 1000 && read_small_file(ref) == commit) fs::remove(ref);
  }
  for (const fs::path& blob : unused) {
    if (kept.count(blob) > 0) continue;
    freed += size_of(blob);
    fs::remove(blob);
  }
  return freed;
}

int64_t remove_model(const Cache& cache) {
  const int64_t freed = read_model(cache.root()).bytes;
  fs::remove_all(cache.root() / "snapshots");
  fs::remove_all(cache.root());
  fs::remove_all(cache.locks());
  return freed;
}

// Checks one model and appends what is wrong to `faults`.
class Verification {
 public:
  Verification(const fs::path& root, TransferMonitor& monitor, std::vector<CacheFault>& faults)
      : root_(root), monitor_(monitor), faults_(faults) {}

  void run() {
    for (const fs::path& blob : entries_of(root_ / "blobs")) check_blob(blob);
    for (const fs::path& snapshot : entries_of(root_ / "snapshots")) check_snapshot(snapshot);
  }

 private:
  void check_blob(const fs::path& blob) {
    const std::string etag = blob.filename().string();
    if (!is_etag(etag)) return;  // an incomplete download, or a name that the server chose
    const auto check = [&](int64_t bytes) {
      monitor_.add(blob.string(), bytes);
      if (!monitor_.should_continue()) throw Error(ErrorKind::kInterrupted, "verifying the cache: stopped");
    };
    const std::string found = digest_of_file(blob, etag, check);
    if (found != etag) add(blob, "damaged: its content has the hash " + found);
    monitor_.finish_file(blob.string());
  }

  void check_snapshot(const fs::path& snapshot) {
    for (const fs::path& file : files_below(snapshot)) {
      if (!fs::is_symlink(file)) continue;
      std::error_code ignored;
      if (blob_of(file, root_).empty()) {
        add(file, "a link that leads out of the model's blobs");
      } else if (!fs::is_regular_file(file, ignored)) {
        add(file, "a link to a missing blob");
      }
    }
  }

  void add(const fs::path& path, const std::string& what) { faults_.push_back({path.string(), what}); }

  const fs::path root_;
  TransferMonitor& monitor_;
  std::vector<CacheFault>& faults_;
};

}  // namespace

}  // namespace gptq::hub

namespace gptq {

std::vector<CachedModel> cached_models() {
  std::vector<CachedModel> models;
  for (const fs::path& folder : hub::entries_of(fs::absolute(hub::Settings::from_environment().cache))) {
    if (fs::is_directory(folder) && !hub::id_of_cache_folder(folder.filename().string()).empty())
      models.push_back(hub::read_model(folder));
  }
  return models;
}

int64_t remove_cached(const std::string& model) {
  const hub::ModelName name = hub::ModelName::parse(model);
  const hub::Cache cache = hub::cache_of(name.id);
  try {
    return model.find('@') == std::string::npos ? hub::remove_model(cache) : hub::remove_revision(cache, name);
  } catch (const fs::filesystem_error& error) {
    throw_system_error("removing", error.path1(), error.code().value());
  }
}

std::vector<CacheFault> verify_cached(const std::string& model, const TransferSink& on_progress) {
  std::vector<fs::path> roots;
  if (!model.empty()) {
    roots.push_back(hub::cache_of(hub::ModelName::parse(model).id).root());
  } else {
    for (const CachedModel& cached : cached_models()) roots.emplace_back(cached.folder);
  }
  int64_t bytes = 0;
  int files = 0;
  for (const fs::path& root : roots) {
    for (const fs::path& blob : hub::entries_of(root / "blobs")) {
      if (!hub::is_etag(blob.filename().string())) continue;
      bytes += hub::size_of(blob);
      ++files;
    }
  }
  hub::TransferMonitor monitor(on_progress);
  monitor.expect(bytes, files);
  std::vector<CacheFault> faults;
  for (const fs::path& root : roots) hub::Verification(root, monitor, faults).run();
  return faults;
}

}  // namespace gptq
