// Writes blobs, links and refs, each atomically by a rename.
#include "hub/cache/cache.h"

#include "core/log.h"
#include "hub/cache/lock.h"
#include "hub/repository/digest.h"

namespace gptq::hub {

Cache::Cache(const Settings& settings, const std::string& id)
    : cache_(fs::absolute(settings.cache)), root_(cache_ / cache_folder_name(id)), symlinks_(settings.symlinks) {}

fs::path Cache::locks() const { return cache_ / ".locks" / root_.filename(); }
fs::path Cache::folder(const std::string& commit) const { return root_ / "snapshots" / commit; }
fs::path Cache::partial(const RepoFile& file) const { return root_ / "blobs" / (file.etag() + ".incomplete"); }

std::string Cache::commit_of(const std::string& revision) const {
  if (is_commit(revision)) return revision;
  const fs::path path = root_ / "refs" / revision;
  std::error_code ignored;
  if (!fs::is_regular_file(path, ignored) || fs::file_size(path, ignored) > 1000) return "";
  std::string commit = read_small_file(path);
  while (!commit.empty() && std::string_view(" \r\n").find(commit.back()) != std::string_view::npos) commit.pop_back();
  return is_commit(commit) ? commit : "";
}

void Cache::write_ref(const std::string& revision, const std::string& commit) const {
  if (revision == commit || commit_of(revision) == commit) return;
  try {
    write_replacing(root_ / "refs" / revision, commit);
  } catch (const std::exception& error) {
    note(std::string(error.what()) + "; offline, this revision will not be found");
  }
}

void Cache::write_no_exist(const std::string& commit, const std::string& path) const {
  const fs::path name = root_ / ".no_exist" / commit / path;
  std::error_code ignored;
  if (fs::exists(name, ignored)) return;
  try {
    write_replacing(name, "");
  } catch (const std::exception& error) {
    note(error.what());
  }
}

std::optional<Listing> Cache::snapshot(const std::string& commit) const {
  const fs::path top = folder(commit);
  std::error_code ignored;
  if (!fs::is_directory(top, ignored)) return std::nullopt;
  Listing listing{commit, {}};
  for (const auto& entry : fs::recursive_directory_iterator(top)) {
    if (!entry.is_regular_file(ignored)) continue;  // follows the link; a broken one is not a file
    listing.files.push_back(
        {entry.path().lexically_relative(top).string(), static_cast<int64_t>(entry.file_size()), "", "", ""});
  }
  return listing;
}

bool Cache::has(const Session&, const std::string& commit, const RepoFile& file) {
  std::error_code absent;
  const auto size = static_cast<int64_t>(fs::file_size(folder(commit) / file.path, absent));
  return !absent && size == file.size;
}

void Cache::ensure_file(const Session& session, const std::string& commit, const RepoFile& file, Refresh refresh,
                        const Fill& fill) {
  if (refresh == Refresh::kIfMissing && has(session, commit, file)) return;
  const fs::path blob = root_ / "blobs" / file.etag();
  fs::create_directories(blob.parent_path());
  write_cache_tag(cache_);
  const FileLock lock(session, locks() / (file.etag() + ".lock"), "fetches " + file.path);
  std::error_code absent;
  // A blob downloaded for another revision: it is linked only if its hash is correct.
  const bool there = refresh == Refresh::kIfMissing && static_cast<int64_t>(fs::file_size(blob, absent)) == file.size &&
                     !absent &&
                     digest_of_file(blob, file.etag(), [&](int64_t) { session.throw_if_stopped(); }) == file.etag();
  if (refresh == Refresh::kAlways || (!there && !has(session, commit, file))) {
    fill(partial(file));
    move_into_place(partial(file), blob, file.size);
  }
  if (refresh == Refresh::kAlways || !has(session, commit, file)) link(commit, file);
}

// ../../blobs/ETAG, with one more ../ for each folder in the path. A copy where there are no links.
void Cache::link(const std::string& commit, const RepoFile& file) const {
  const fs::path blob = root_ / "blobs" / file.etag(), name = folder(commit) / file.path;
  const fs::path target = blob.lexically_relative(name.parent_path());
  fs::create_directories(name.parent_path());
  std::error_code failure;
  if (symlinks_) fs::create_symlink(target, name, failure);
  if (symlinks_ && !failure) return;
  const fs::path temporary = blob.string() + ".link";  // the path exists, or links are not supported
  fs::remove(temporary);
  if (symlinks_) fs::create_symlink(target, temporary, failure);
  if (!symlinks_ || failure) fs::copy_file(blob, temporary);
  fs::rename(temporary, name);
}

}  // namespace gptq::hub
