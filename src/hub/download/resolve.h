// Where the bytes of one file are, and their name: the HEAD request that comes before a download.
#pragma once

#include <cstdint>
#include <string>

#include "hub/http/session.h"

namespace gptq::hub {

// One file at one commit.
struct FileName {
  std::string id, commit, path;

  RequestContext context() const { return {"fetching " + path + " of " + id, id, commit, path}; }
};

struct FileAddress {
  std::string url;     // the Hub's, or a signed one of its storage, which expires
  std::string commit;  // X-Repo-Commit
  std::string etag;    // X-Linked-Etag, else ETag, without W/ and quotes
  int64_t size = -1;   // X-Linked-Size, else Content-Length of an answer that is no redirect; -1: not said
};

// The Hub says that the commit has no such file.
struct MissingFile : Error {
  using Error::Error;
};

// Redirects on the Hub's host are followed, the token going along; the first one to another host is the address.
// Throws what explain() says, MissingFile among it, and Error(kNetwork) when the answer is not a Hub's.
FileAddress resolve(const Session& session, HttpClient& client, const FileName& file);

}  // namespace gptq::hub
