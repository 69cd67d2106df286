// One commit: the upload mode that the Hub requires for each file, and the list of operations.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/file.h"
#include "hub/http/session.h"

namespace gptq::hub {

// A file of the folder, or one that exists in memory only (the model card).
struct UploadFile {
  std::string path;  // in the repository
  fs::path place;    // "" when `content` holds the file
  std::string content;
  int64_t size = 0;
  // From the Hub's answer to preupload:
  bool lfs = false;
  bool ignored = false;    // by the repository's .gitignore
  std::string remote_oid;  // hash of the file at this path: sha256 for LFS, else git's sha1; "": none
  // Computed here, of the same kind as remote_oid:
  std::string oid;

  std::string bytes() const;  // the content of a small file
};

struct CommitTarget {
  std::string id, revision;
  bool create_pr = false;
  std::string message;
};

struct CommitReply {
  std::string commit, url;
};

// Requests the upload mode of each file from the Hub, 256 per request. Source: huggingface_hub's _commit_api.py.
void preupload(const Session& session, HttpClient& client, const CommitTarget& target, std::vector<UploadFile>& files);

// Parses the response for files[begin, end). Throws Error(kVerification).
void take_preupload(std::string_view json, size_t begin, size_t end, std::vector<UploadFile>& files,
                    const std::string& where);

// The request body, one JSON object per line. Small files are included, large ones referenced by their oid.
std::string commit_lines(const CommitTarget& target, const std::vector<const UploadFile*>& files);

CommitReply commit(const Session& session, HttpClient& client, const CommitTarget& target,
                   const std::vector<const UploadFile*>& files);

}  // namespace gptq::hub
