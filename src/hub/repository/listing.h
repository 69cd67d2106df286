// The files of a repository at one commit: the Hub's one-call listing, and its copy in the cache.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "hub/http/session.h"
#include "hub/repository/names.h"

namespace gptq::hub {

struct RepoFile {
  std::string path;
  int64_t size = 0;
  std::string blob_id;   // Git's hash: of the content, or of the pointer if the content is in LFS
  std::string sha256;    // of the content if it is in LFS, else ""
  std::string xet_hash;  // of Xet storage, kept for huggingface_hub; "" if not in the listing

  const std::string& etag() const { return sha256.empty() ? blob_id : sha256; }  // the hash that identifies its content
};

// Paths are safe to use below a folder, distinct, and none is a folder of another; hashes and sizes are plausible.
struct Listing {
  std::string commit;
  std::vector<RepoFile> files;

  const RepoFile* find(std::string_view path) const;
};

// GET /api/models/ID/revision/REVISION?blobs=true: one request, because the Hub limits their number; from 50,000 files
// on, where that list may be truncated (huggingface_hub's snapshot_download), the pages of /api/models/ID/tree/COMMIT.
// Throws what explain() returns, and Error(kVerification) for a malformed listing.
Listing fetch_listing(const Session& session, HttpClient& client, const ModelName& name, int tries);

Listing parse_listing(std::string_view json, const std::string& where);             // of the single request
std::vector<RepoFile> parse_page(std::string_view json, const std::string& where);  // of one page

// trees/COMMIT.json of huggingface_hub, format_version 1, byte for byte as it writes it.
// Parsing throws Error(kVerification).
std::string tree_text(const Listing& listing);
Listing parse_tree(std::string_view json, const std::string& commit, const std::string& where);

// Rejects duplicate paths, and a file whose path is a folder of another.
void check_paths(const Listing& listing, const std::string& where);

}  // namespace gptq::hub
