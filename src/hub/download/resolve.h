// Address and hash of one file: the HEAD request before a download.
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
  std::string url;     // on the Hub, or a signed address of its storage, which expires
  std::string commit;  // X-Repo-Commit
  std::string etag;    // X-Linked-Etag, else ETag, without W/ and quotes
  int64_t size = -1;   // X-Linked-Size, else Content-Length if the response is not a redirect; -1: unknown
};

// The commit has no such file.
struct MissingFile : Error {
  using Error::Error;
};

// Redirects on the Hub's host are followed with the token; the first redirect to another host is the address. Throws
// what explain() returns, MissingFile included, and Error(kNetwork) when the response is not from a Hub.
FileAddress resolve(const Session& session, HttpClient& client, const FileName& file);

}  // namespace gptq::hub
