// Real files in a folder of the user's, with huggingface_hub's bookkeeping below .cache/huggingface.
#pragma once

#include <map>
#include <mutex>
#include <string>

#include "hub/cache/cache.h"

namespace gptq::hub {

// .cache/huggingface/download/PATH.metadata has three lines: commit, etag, and when that was so (seconds). A file
// changed since then is hashed again. Source: huggingface_hub's _local_folder.py.
class LocalFolder : public Store {
 public:
  LocalFolder(const fs::path& folder, const Cache& cache);  // a file that `cache` has is copied from there

  fs::path folder(const std::string& commit) const override;
  bool has(const Session& session, const std::string& commit, const RepoFile& file) override;
  void ensure_file(const Session& session, const std::string& commit, const RepoFile& file, Refresh refresh,
                   const Fill& fill) override;

 protected:
  fs::path tree_folder() const override;
  fs::path partial(const RepoFile& file) const override;

 private:
  fs::path bookkeeping(const RepoFile& file, const char* ending) const;
  std::string known_etag(const RepoFile& file) const;  // of the file as it is now; "" when nothing says
  void note_etag(const std::string& commit, const RepoFile& file) const;
  void prepare() const;

  fs::path folder_;
  Cache cache_;
  std::mutex mutex_;                                           // guards hashed_
  std::map<fs::path, std::pair<double, std::string>> hashed_;  // files without notes: when they were so, their etag
};

}  // namespace gptq::hub
