// What the cache and local folders share.
#include "hub/cache/store.h"

#include "core/log.h"

namespace gptq::hub {

namespace {

constexpr const char* kCacheTag =
    "Signature: 8a477f597d28d172789f06886806bc55\n"
    "# This file is a cache directory tag created by huggingface_hub.\n"
    "# For information about cache directory tags, see:\n"
    "#\thttps://bford.info/cachedir/\n";

}  // namespace

std::optional<Listing> Store::load_listing(const std::string& commit) const {
  const fs::path path = tree_folder() / "trees" / (commit + ".json");
  std::error_code ignored;
  if (!fs::is_regular_file(path, ignored)) return std::nullopt;
  try {
    return parse_tree(read_small_file(path), commit, path.string());
  } catch (const Error& error) {
    note(std::string(error.what()) + "; fetching it from the Hub again");
    return std::nullopt;
  }
}

void Store::save_listing(const Listing& listing) const {
  const fs::path path = tree_folder() / "trees" / (listing.commit + ".json");
  std::error_code ignored;
  if (fs::exists(path, ignored)) return;
  try {
    write_replacing(path, tree_text(listing));
  } catch (const Error& error) {
    note(std::string(error.what()) + "; the listing is not cached");
  }
}

int64_t Store::resumable_bytes(const RepoFile& file) const {
  std::error_code absent;
  const auto size = static_cast<int64_t>(fs::file_size(partial(file), absent));
  return absent || size > file.size ? 0 : size;
}

void move_into_place(const fs::path& from, const fs::path& target, int64_t size) {
  std::error_code absent;
  const auto found = static_cast<int64_t>(fs::file_size(from, absent));
  if (absent || found != size) {
    throw Error(ErrorKind::kGeneral, "moving " + from.string() + " into place: found " +
                                         (absent ? "no such file" : std::to_string(found) + " bytes") + ", expected " +
                                         std::to_string(size) +
                                         " bytes; has another program changed the cache? Run the same command again");
  }
  fs::rename(from, target);
}

void write_replacing(const fs::path& path, std::string_view text) {
  fs::create_directories(path.parent_path());
  write_file_atomic(path, text);
}

void write_cache_tag(const fs::path& folder) {
  const fs::path path = folder / "CACHEDIR.TAG";
  std::error_code ignored;
  if (fs::exists(path, ignored)) return;
  try {
    write_replacing(path, kCacheTag);
  } catch (const std::exception& error) {
    note(error.what());  // only backup programs need it
  }
}

}  // namespace gptq::hub
