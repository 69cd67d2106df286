// Downloads one file from the Hub into a partial file until it is complete and its hash is verified.
#pragma once

#include "hub/download/prefetch.h"
#include "hub/download/resolve.h"
#include "hub/http/transfer_monitor.h"
#include "hub/repository/listing.h"

namespace gptq::hub {

// Resumes after the bytes that exist (Range; status 200 restarts from the beginning, 416 too), follows redirects
// without sending the token to other hosts, requests a new address when a signed one has expired, retries broken
// connections (5 times without a byte, 1 s apart or as long as the server requests), and restarts once when bytes of an
// earlier run turn out to be wrong. Throws what explain() returns; Error(kVerification) with both hashes, after
// deleting the partial file; Error(kGeneral) for a full disk and Error(kInterrupted), keeping a partial file that the
// next call resumes. Large files use several connections while `budget` has some.
void download(const Session& session, HttpClient& client, TransferMonitor& monitor, ConnectionBudget& budget,
              const FileName& name, const RepoFile& file, const fs::path& partial);

}  // namespace gptq::hub
