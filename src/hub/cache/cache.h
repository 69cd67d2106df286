// The cache shared with huggingface_hub: the folder of one model.
#pragma once

#include <string>
#include <vector>

#include "hub/cache/store.h"

namespace gptq::hub {

// models--ORG--NAME/
//   blobs/ETAG                  contents; ETAG.incomplete is one that is arriving
//   refs/main                   the commit of a branch, tag or pull request
//   snapshots/COMMIT/PATH       a relative link into blobs
//   trees/COMMIT.json           the listing
//   .no_exist/COMMIT/PATH       "the Hub has no such file"
// .locks/models--ORG--NAME/ETAG.lock   held while a content arrives
// Source: huggingface_hub's file_download.py and its guide "Understand caching".
class Cache : public Store {
 public:
  Cache(const Settings& settings, const std::string& id);

  const fs::path& root() const { return root_; }  // models--ORG--NAME
  fs::path locks() const;

  std::string commit_of(const std::string& revision) const;  // "" if the revision is not in the cache
  void write_ref(const std::string& revision, const std::string& commit) const;   // best effort: it may be read-only
  void write_no_exist(const std::string& commit, const std::string& path) const;  // best effort

  // A listing made from the files of the snapshot; nullopt without a snapshot.
  std::optional<Listing> snapshot(const std::string& commit) const;

  fs::path folder(const std::string& commit) const override;
  bool has(const Session& session, const std::string& commit, const RepoFile& file) override;
  void ensure_file(const Session& session, const std::string& commit, const RepoFile& file, Refresh refresh,
                   const Fill& fill) override;

 protected:
  fs::path tree_folder() const override { return root_; }
  fs::path partial(const RepoFile& file) const override;

 private:
  void link(const std::string& commit, const RepoFile& file) const;

  fs::path cache_, root_;
  bool symlinks_;
};

}  // namespace gptq::hub
