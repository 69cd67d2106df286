// Destination of a download: the shared cache, or a folder of the user. Both use the layout of huggingface_hub.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "hub/repository/listing.h"

namespace gptq::hub {

// Completes and verifies the partial file at this path, or throws.
using Fill = std::function<void(const fs::path& partial)>;

enum class Refresh { kIfMissing, kAlways };

class Store {
 public:
  virtual ~Store() = default;

  virtual fs::path folder(const std::string& commit) const = 0;  // folder of the files of a commit

  // The commit's listing, as an earlier run saved it; nullopt when there is none or the file is damaged.
  std::optional<Listing> load_listing(const std::string& commit) const;
  void save_listing(const Listing& listing) const;  // best effort, as in huggingface_hub

  // True when the file is present and complete, with the content of this commit.
  virtual bool has(const Session& session, const std::string& commit, const RepoFile& file) = 0;

  // Bytes of the file received by an interrupted download.
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

// Renames `partial` to `target`. Throws Error(kGeneral) unless it has this size.
void move_into_place(const fs::path& partial, const fs::path& target, int64_t size);
void write_replacing(const fs::path& path, std::string_view text);  // creates the folders above it
void write_cache_tag(const fs::path& folder);                       // CACHEDIR.TAG, if missing; best effort

}  // namespace gptq::hub
