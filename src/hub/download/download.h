// One file from the Hub into a partial file, until it is whole and its hash is right.
#pragma once

#include "hub/download/prefetch.h"
#include "hub/download/resolve.h"
#include "hub/http/transfer_monitor.h"
#include "hub/repository/listing.h"

namespace gptq::hub {

// The rules: goes on behind what is there (Range; an answer 200 starts over, 416 too), follows redirects without the
// token to other hosts, asks for a new address when a signed one has expired, tries again after a broken connection
// (5 times without a byte, 1 s apart or as long as the server asks), and starts once more from nothing when the bytes
// of an earlier run turn out wrong. Throws what explain() says; Error(kVerification) with both hashes, leaving nothing;
// Error(kGeneral) for a full disk and Error(kInterrupted), leaving a partial that the next call goes on with. Large
// files come over several connections while there are spare ones.
void download(const Session& session, HttpClient& client, TransferMonitor& monitor, ConnectionBudget& budget,
              const FileName& name, const RepoFile& file, const fs::path& partial);

}  // namespace gptq::hub
