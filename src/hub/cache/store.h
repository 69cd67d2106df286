// Where files of a model go: the shared cache, or a folder of the user's. Both keep the layout of huggingface_hub.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "hub/repository/listing.h"

namespace gptq::hub {

// Fills the partial file that it is given until it is whole and right, or throws.
using Fill = std::function<void(const fs::path& partial)>;

enum class Refresh { kIfMissing, kAlways };

class Store {
 public:
  virtual ~Store() = default;

  virtual fs::path folder(const std::string& commit) const = 0;  // where the files of a commit appear

  // The commit's listing, as an earlier run left it; nullopt when none did or its file is damaged.
  std::optional<Listing> load_listing(const std::string& commit) const;
  void save_listing(const Listing& listing) const;  // best effort, as in huggingface_hub

  // True when the file is there, whole, with the content that the commit has.
  virtual bool has(const Session& session, const std::string& commit, const RepoFile& file) = 0;

  // Bytes of the file that an interrupted run has left.
  int64_t resumable_bytes(const RepoFile& file) const;

  // Makes has() true: with kIfMissing from what is on the disk where possible, else by `fill`; with kAlways by `fill`.
  // Safe to call from several processes for one file: one fills it, the others wait.
  virtual void ensure_file(const Session& session, const std::string& commit, const RepoFile& file, Refresh refresh,
                           const Fill& fill) = 0;

 protected:
  virtual fs::path tree_folder() const = 0;
  virtual fs::path partial(const RepoFile& file) const = 0;
};

// ---- for both

// Throws unless `partial` is a file of this size, which is what `fill` must leave; then renames it.
void move_into_place(const fs::path& partial, const fs::path& target, int64_t size);
void write_replacing(const fs::path& path, std::string_view text);  // and makes the folders above
void write_cache_tag(const fs::path& folder);                       // CACHEDIR.TAG, where there is none; best effort

}  // namespace gptq::hub
