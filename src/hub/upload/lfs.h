// Large files on their way to the Hub: Git LFS's batch protocol, one PUT or several parts for each file.
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

// What the Hub wants to have done with an object. Source: git-lfs's batch API; huggingface_hub's
// lfs.py for "multipart".
struct LfsAction {
  std::string oid;
  bool stored = false;             // nothing to send
  std::string href;                // PUT the whole there, or, with parts, POST their list there
  int64_t part_size = 0;           // 0: one piece
  std::vector<std::string> parts;  // where to PUT each
  std::string verify;              // POST {oid, size} there afterwards; "": no need
};

// The reply to a batch for these objects: one action for each, in their order. Throws Error(kVerification) when it
// is no such reply, and Error(kPermission | kGeneral) for objects that the Hub refuses.
std::vector<LfsAction> parse_batch(std::string_view json, const std::vector<LfsObject>& objects,
                                   const std::string& where);

// Sends what the Hub has not stored yet and gives how many bytes that were. Signed addresses that expire are asked for
// again. Throws what explain() says, Error(kInterrupted).
int64_t upload_objects(const Session& session, TransferMonitor& monitor, const std::string& id,
                       const std::string& revision, const std::vector<LfsObject>& objects, int workers);

}  // namespace gptq::hub
