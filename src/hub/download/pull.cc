// Downloads a model: from its name to a folder of verified files.
#include "hub/download/pull.h"

#include <sys/statvfs.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <optional>
#include <set>

#include "core/log.h"
#include "hub/cache/cache.h"
#include "hub/cache/local_folder.h"
#include "hub/download/download.h"
#include "hub/download/glob.h"
#include "hub/download/selection.h"
#include "hub/http/workers.h"

namespace gptq::hub {

namespace {

constexpr int64_t kMaxIndexBytes = int64_t{64} << 20;
constexpr int kTries = 5;
constexpr size_t kMaxNamedFiles = 3;  // files listed in an error

std::string megabytes(int64_t bytes) { return std::to_string((bytes + 999'999) / 1'000'000) + " MB"; }

// Of the file system that contains `folder` or will contain it.
int64_t free_space(fs::path folder) {
  while (!fs::exists(folder) && folder.has_relative_path()) folder = folder.parent_path();
  struct statvfs info {};
  if (::statvfs(folder.c_str(), &info) != 0) return INT64_MAX;
  return static_cast<int64_t>(info.f_bavail) * static_cast<int64_t>(info.f_frsize);
}

// Removed with its content when the object is destroyed.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (fs::temp_directory_path() / "gptq-pull-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw_system_error("creating", name, errno);
    path_ = name;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

// The files to download and their commit.
struct Choice {
  std::string commit;
  std::vector<RepoFile> files;
  bool from_listing = true;  // false: from the files of the snapshot, which may be incomplete
};

class Pull {
 public:
  Pull(Session session, const ModelName& name, const PullOptions& options, const TransferSink& on_progress)
      : session_(std::move(session)),
        name_(name),
        options_(options),
        monitor_(on_progress),
        cache_(session_.settings, name.id),
        client_(session_.settings) {
    session_.should_continue = [this] { return monitor_.should_continue(); };
    if (options.local_dir.empty()) {
      store_ = std::make_unique<Cache>(cache_);
    } else {
      store_ = std::make_unique<LocalFolder>(options.local_dir, cache_);
    }
  }

  PullResult run() {
    const std::optional<Choice> there = complete_on_disk();
    if (session_.settings.offline) return offline(there);
    if (there && there->from_listing && is_commit(name_.revision) && !options_.force_download) return result(*there);
    const std::optional<Listing> listing = find_listing(there);
    return listing ? fetched(*listing) : result(*there);
  }

 private:
  PullResult fetched(const Listing& listing) {
    if (!options_.dry_run) store_->save_listing(listing);
    const Choice choice{listing.commit, choose(listing)};
    PullResult answer = result(choice);
    if (options_.dry_run) return answer;
    const bool complete =
        std::all_of(answer.files.begin(), answer.files.end(), [](const auto& file) { return file.cached; });
    if (!complete) {
      check_space(choice);
      fetch_all(choice);
    }
    cache_.write_ref(name_.revision, choice.commit);
    answer.bytes_fetched = bytes_fetched_;
    return answer;
  }

  // The listing of a commit never changes; that of a branch is requested. nullopt: the Hub is unreachable and the local
  // copy is complete.
  std::optional<Listing> find_listing(const std::optional<Choice>& there) {
    if (is_commit(name_.revision)) {
      if (std::optional<Listing> known = store_->load_listing(name_.revision)) return known;
    }
    try {
      return listing_of_hub(there ? 1 : kTries);
    } catch (const Error& error) {
      const bool unreachable = error.kind() == ErrorKind::kNetwork || error.kind() == ErrorKind::kPermission;
      if (!there || !unreachable || options_.force_download) throw;
      warn(std::string(error.what()) + "; using the complete local copy of commit " + there->commit + "");
      return std::nullopt;
    }
  }

  Listing listing_of_hub(int tries) {
    Listing listing = fetch_listing(session_, client_, name_, tries);
    if (is_commit(name_.revision) && listing.commit != name_.revision) {
      throw Error(ErrorKind::kVerification, "listing the files of " + name_.id + ": asked for commit " +
                                                name_.revision + ", found commit " + listing.commit +
                                                "; is HF_ENDPOINT a Hugging Face Hub?");
    }
    return listing;
  }

  void check_config(const Listing& listing) {
    const RepoFile* config = listing.find("config.json");
    const bool weights_wanted = !any_matches(options_.exclude, "model.safetensors");
    if (config == nullptr || !options_.check_config || !weights_wanted) return;
    const bool asked = !options_.include.empty();
    if (asked && !any_matches(options_.include, config->path)) return;
    try {
      options_.check_config(text_of(listing.commit, *config));
    } catch (const Error& error) {
      if (!asked || error.kind() != ErrorKind::kVerification) throw;
      warn(error.what());
    }
  }

  std::vector<RepoFile> choose(const Listing& listing) {
    check_config(listing);
    try {
      return select_files(listing, {options_.include, options_.exclude}, name_.id,
                          [&](const RepoFile& file) { return text_of(listing.commit, file); });
    } catch (const NoSafetensors& error) {
      const std::string proposal = find_conversion(session_, client_, name_.id);
      if (proposal.empty()) throw;
      throw Error(error.kind(), std::string(error.what()) + "; the pull request " + proposal +
                                    " has a safetensors conversion: review it at " + session_.settings.endpoint + "/" +
                                    name_.id + "/discussions, then `gptq pull " + name_.id + " --revision " + proposal +
                                    "`");
    }
  }

  // All files that the options select, as far as they are known locally, are present.
  std::optional<Choice> complete_on_disk() {
    const std::string commit = cache_.commit_of(name_.revision);
    if (commit.empty()) return std::nullopt;
    std::optional<Listing> listing = store_->load_listing(commit);
    const bool known = listing.has_value();
    if (!known && options_.local_dir.empty()) listing = cache_.snapshot(commit);
    if (!listing) return std::nullopt;
    const fs::path folder = store_->folder(commit);
    try {
      Choice choice{commit,
                    select_files(*listing, {options_.include, options_.exclude}, name_.id,
                                 [&](const RepoFile& file) { return read_small_file(folder / file.path); }),
                    known};
      for (const RepoFile& file : choice.files) {
        if (store_->has(session_, commit, file)) continue;
        if (missing_.size() <= kMaxNamedFiles) missing_.push_back(file.path);
      }
      if (missing_.empty()) return choice;
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::kInterrupted) throw;  // any other error: the copy is incomplete
    }
    return std::nullopt;
  }

  PullResult offline(const std::optional<Choice>& there) const {
    if (there && !options_.force_download) return result(*there);
    std::string lacking;
    for (size_t i = 0; i < std::min(missing_.size(), kMaxNamedFiles); ++i) lacking += (i ? ", " : "") + missing_[i];
    if (missing_.size() > kMaxNamedFiles) lacking += " and more";
    throw Error(ErrorKind::kNotFound, doing() +
                                          (options_.force_download ? ": a download was requested"
                                           : lacking.empty()       ? ": it is not in " + cache_.root().string()
                                                             : ": " + cache_.root().string() + " lacks " + lacking) +
                                          ", and offline mode is on (" +
                                          (options_.local_files_only ? "local_files_only" : "HF_HUB_OFFLINE") +
                                          "); run it once without offline mode");
  }

  PullResult result(const Choice& choice) const {
    PullResult answer;
    answer.folder = store_->folder(choice.commit).string();
    answer.commit = choice.commit;
    for (const RepoFile& file : choice.files) {
      const bool cached = !options_.force_download && store_->has(session_, choice.commit, file);
      answer.files.push_back({file.path, file.size, cached});
      answer.bytes_total += file.size;
    }
    return answer;
  }

  void check_space(const Choice& choice) const {
    std::set<std::string> contents;
    int64_t needed = 0;
    for (const RepoFile& file : choice.files) {
      const bool comes = options_.force_download || !store_->has(session_, choice.commit, file);
      if (comes && contents.insert(file.etag()).second) needed += file.size - store_->resumable_bytes(file);
    }
    const fs::path folder = store_->folder(choice.commit);
    const int64_t free = free_space(folder);
    if (needed <= free) return;
    throw Error(ErrorKind::kGeneral,
                doing() + ": it needs " + megabytes(needed) + " more at " + folder.string() + ", where " +
                    megabytes(free) +
                    " are free; free some space, or set HF_HOME to a larger disk; nothing was downloaded");
  }

  // Each worker has its own connection and takes the largest remaining file; idle connections help with large files.
  void fetch_all(const Choice& choice) {
    std::vector<RepoFile> files = choice.files;
    std::stable_sort(files.begin(), files.end(), [](const auto& a, const auto& b) { return a.size > b.size; });
    int64_t total = 0;
    for (const RepoFile& file : files) total += file.size;
    monitor_.expect(total, static_cast<int>(files.size()));
    run_workers(
        files.size(), options_.max_workers, session_.settings, monitor_,
        [&](HttpClient& client, size_t i) { fetch(client, choice.commit, files[i]); }, [&] { budget_.release(); });
  }

  void fetch(HttpClient& client, const std::string& commit, const RepoFile& file) {
    session_.throw_if_stopped();
    bool counted = false;
    const auto fill = [&](const fs::path& partial) {
      counted = true;
      bytes_fetched_ += file.size - store_->resumable_bytes(file);
      download(session_, client, monitor_, budget_, {name_.id, commit, file.path}, file, partial);
    };
    try {
      store_->ensure_file(session_, commit, file, options_.force_download ? Refresh::kAlways : Refresh::kIfMissing,
                          fill);
    } catch (const MissingFile&) {
      cache_.write_no_exist(commit, file.path);
      throw;
    }
    if (!counted) monitor_.add(file.path, file.size);
    monitor_.finish_file(file.path);
  }

  // config.json and the index, which decide what else to download.
  std::string text_of(const std::string& commit, const RepoFile& file) {
    if (file.size > kMaxIndexBytes) {
      throw Error(ErrorKind::kVerification, doing() + ": " + file.path + " has " + megabytes(file.size) +
                                                ", expected at most " + megabytes(kMaxIndexBytes));
    }
    if (options_.dry_run && !store_->has(session_, commit, file)) {
      const TemporaryFolder scratch;
      download(session_, client_, monitor_, budget_, {name_.id, commit, file.path}, file, scratch.path() / "index");
      return read_small_file(scratch.path() / "index");
    }
    if (!store_->has(session_, commit, file)) fetch(client_, commit, file);
    return read_small_file(store_->folder(commit) / file.path);
  }

  std::string doing() const { return "pulling " + name_.id + "@" + name_.revision; }

  Session session_;
  const ModelName& name_;
  const PullOptions& options_;
  TransferMonitor monitor_;
  Cache cache_;
  std::unique_ptr<Store> store_;
  HttpClient client_;
  ConnectionBudget budget_{0};
  std::atomic<int64_t> bytes_fetched_ = 0;
  std::vector<std::string> missing_;  // the local copy that complete_on_disk() did not find
};

}  // namespace

PullResult pull(Session session, const ModelName& name, const PullOptions& options, const TransferSink& on_progress) {
  if (!options.cache_dir.empty()) session.settings.cache = options.cache_dir;
  session.settings.offline |= options.local_files_only;
  try {
    return Pull(std::move(session), name, options, on_progress).run();
  } catch (const fs::filesystem_error& error) {
    throw_system_error("pulling " + name.id + ": writing", error.path1(), error.code().value());
  }
}

}  // namespace gptq::hub

namespace gptq {

PullResult pull(const std::string& model, const PullOptions& options, const TransferSink& on_progress) {
  return hub::pull(hub::open_session(options.token), hub::ModelName::parse(model, options.revision), options,
                   on_progress);
}

bool is_hub_model(const std::string& model) {
  std::error_code ignored;
  return !fs::exists(model, ignored) && hub::is_repo_id(model.substr(0, model.find('@')));
}

}  // namespace gptq
