// What the files of the local Hub share.
#pragma once

#include <optional>
#include <string>

#include "tests/hub/local_hub.h"

namespace gptq::testing {

Response refusal(int status, const std::string& code, const std::string& message);  // as the Hub words them
Response json_response(const Json& json);
std::string encoded(const std::string& path);                             // percent-encoded, slashes kept
std::string commit_of(const HubRepo& repo, const std::string& revision);  // branch, tag, refs/pr/N, commit; "" if none

// Requests that write: repositories, uploads, commits.
struct UploadRoutes {
  LocalHub& hub;
  const Request& request;

  std::optional<Response> answer() const;  // nothing: the request is not for us
  Response store() const;                  // a PUT to the storage

 private:
  std::optional<Response> may_not_write(const std::string& owner) const;
  Response create_repo() const;
  Response validate_yaml() const;
  Response preupload(const std::string& id, const std::string& revision) const;
  Response lfs_batch(const std::string& id) const;
  Response lfs_verify() const;
  Response complete_multipart() const;
  Response create_branch(const std::string& id, const std::string& branch) const;
  Response commit(const std::string& id, const std::string& revision) const;
};

}  // namespace gptq::testing
