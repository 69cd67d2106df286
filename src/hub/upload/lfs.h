// Uploads of large files: Git LFS's batch protocol, one PUT or several parts per file.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/file.h"
#include "hub/http/session.h"
#include "hub/http/transfer_monitor.h"

namespace gptq::hub {

struct LfsObject {
  std::string path;  // in the repository
  fs::path place;
  int64_t size = 0;
  std::string oid;  // sha256 of the content
};

// What the Hub requires for an object. Source: git-lfs's batch API; huggingface_hub's lfs.py for "multipart".
struct LfsAction {
  std::string oid;
  bool stored = false;             // nothing to send
  std::string href;                // URL to PUT the whole file to, or, with parts, to POST their list to
  int64_t part_size = 0;           // 0: a single part
  std::vector<std::string> parts;  // URL of each part
  std::string verify;              // URL to POST {oid, size} to afterwards; "": not required
};

// Parses the batch response for these objects: one action each, in the same order. Throws Error(kVerification) when it
// is malformed, and Error(kPermission | kGeneral) for objects that the Hub rejects.
std::vector<LfsAction> parse_batch(std::string_view json, const std::vector<LfsObject>& objects,
                                   const std::string& where);

// Sends what the Hub has not stored yet and returns the number of bytes sent. Expired signed addresses are requested
// again. Throws what explain() returns, and Error(kInterrupted).
int64_t upload_objects(const Session& session, TransferMonitor& monitor, const std::string& id,
                       const std::string& revision, const std::vector<LfsObject>& objects, int workers);

}  // namespace gptq::hub
