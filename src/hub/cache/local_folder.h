// Downloads into a folder of the user, with huggingface_hub's metadata below .cache/huggingface.
#pragma once

#include <map>
#include <mutex>
#include <string>

#include "hub/cache/cache.h"

namespace gptq::hub {

// .cache/huggingface/download/PATH.metadata has three lines: commit, etag, and the time of the check (seconds). A file
// modified since then is hashed again. Source: huggingface_hub's _local_folder.py.
class LocalFolder : public Store {
 public:
  LocalFolder(const fs::path& folder, const Cache& cache);  // files that `cache` has are copied from it

  fs::path folder(const std::string& commit) const override;
  bool has(const Session& session, const std::string& commit, const RepoFile& file) override;
  void ensure_file(const Session& session, const std::string& commit, const RepoFile& file, Refresh refresh,
                   const Fill& fill) override;

 protected:
  fs::path tree_folder() const override;
  fs::path partial(const RepoFile& file) const override;

 private:
  fs::path bookkeeping(const RepoFile& file, const char* ending) const;
  std::string known_etag(const RepoFile& file) const;  // of the current file; "" when it is unknown
  void note_etag(const std::string& commit, const RepoFile& file) const;
  void prepare() const;

  fs::path folder_;
  Cache cache_;
  std::mutex mutex_;  // guards hashed_
  // files without metadata: their modification time and etag
  std::map<fs::path, std::pair<double, std::string>> hashed_;
};

}  // namespace gptq::hub
