// Files under their own names, with metadata files in a hidden folder.
#include "hub/cache/local_folder.h"

#include <openssl/evp.h>
#include <sys/stat.h>

#include <charconv>
#include <chrono>
#include <cstdio>
#include <sstream>
#include <vector>

#include "hub/cache/lock.h"
#include "hub/repository/digest.h"

namespace gptq::hub {

namespace {

// SHA-1 in URL-safe base64: huggingface_hub's short names for incomplete files.
std::string short_hash(const std::string& text) {
  unsigned char hash[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  EVP_Digest(text.data(), text.size(), hash, &size, EVP_sha1(), nullptr);
  std::vector<unsigned char> encoded(4 * ((size + 2) / 3) + 1);
  const int length = EVP_EncodeBlock(encoded.data(), hash, static_cast<int>(size));
  std::string name(encoded.begin(), encoded.begin() + length);
  for (char& c : name) c = c == '+' ? '-' : c == '/' ? '_' : c;
  return name;
}

// Seconds since 1970, as Python's time.time().
double modified(const fs::path& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return 1e300;
  return static_cast<double>(info.st_mtim.tv_sec) + static_cast<double>(info.st_mtim.tv_nsec) * 1e-9;
}

}  // namespace

LocalFolder::LocalFolder(const fs::path& folder, const Cache& cache)
    : folder_(fs::weakly_canonical(fs::absolute(folder))), cache_(cache) {}

fs::path LocalFolder::folder(const std::string&) const { return folder_; }
fs::path LocalFolder::tree_folder() const { return folder_ / ".cache" / "huggingface"; }

fs::path LocalFolder::bookkeeping(const RepoFile& file, const char* ending) const {
  return tree_folder() / "download" / (file.path + ending);
}

fs::path LocalFolder::partial(const RepoFile& file) const {
  const fs::path notes = bookkeeping(file, ".metadata");
  return notes.parent_path() / (short_hash(notes.filename().string()) + "." + file.etag() + ".incomplete");
}

std::string LocalFolder::known_etag(const RepoFile& file) const {
  const fs::path notes = bookkeeping(file, ".metadata");
  std::error_code ignored;
  if (!fs::is_regular_file(notes, ignored) || fs::file_size(notes, ignored) > 1000) return "";
  std::istringstream lines(read_small_file(notes));
  std::string commit, etag;
  double when = 0;
  if (!(lines >> commit >> etag >> when) || modified(folder_ / file.path) - 1 > when) return "";
  return etag;
}

void LocalFolder::note_etag(const std::string& commit, const RepoFile& file) const {
  const std::chrono::duration<double> now = std::chrono::system_clock::now().time_since_epoch();
  char seconds[40];
  std::snprintf(seconds, sizeof seconds, "%.7f", now.count());
  write_replacing(bookkeeping(file, ".metadata"), commit + "\n" + file.etag() + "\n" + seconds + "\n");
}

bool LocalFolder::has(const Session& session, const std::string&, const RepoFile& file) {
  const fs::path path = folder_ / file.path;
  std::error_code absent;
  if (static_cast<int64_t>(fs::file_size(path, absent)) != file.size || absent) return false;
  if (known_etag(file) == file.etag()) return true;
  const double when = modified(path);
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = hashed_.find(path); found != hashed_.end() && found->second.first == when)
      return found->second.second == file.etag();
  }
  std::string etag = digest_of_file(path, file.etag(), [&](int64_t) { session.throw_if_stopped(); });
  const std::lock_guard lock(mutex_);
  return (hashed_[path] = {when, std::move(etag)}).second == file.etag();
}

void LocalFolder::prepare() const {
  fs::create_directories(tree_folder());
  write_cache_tag(tree_folder());
  std::error_code ignored;
  if (const fs::path path = tree_folder() / ".gitignore"; !fs::exists(path, ignored)) write_replacing(path, "*");
}

void LocalFolder::ensure_file(const Session& session, const std::string& commit, const RepoFile& file, Refresh refresh,
                              const Fill& fill) {
  const fs::path path = folder_ / file.path;
  if (file.path.starts_with(".cache/huggingface/")) {
    throw Error(ErrorKind::kVerification, "fetching " + file.path + " into " + folder_.string() +
                                              ": the name is reserved for download metadata; exclude it with "
                                              "--exclude '.cache/*'");
  }
  prepare();
  fs::create_directories(path.parent_path());
  const FileLock lock(session, bookkeeping(file, ".lock"), "fetches " + file.path);
  if (refresh == Refresh::kAlways || !has(session, commit, file)) {
    if (refresh == Refresh::kIfMissing && cache_.has(session, commit, file)) {
      fs::copy_file(cache_.folder(commit) / file.path, partial(file), fs::copy_options::overwrite_existing);
    } else {
      fill(partial(file));
    }
    move_into_place(partial(file), path, file.size);
  }
  note_etag(commit, file);
}

}  // namespace gptq::hub
