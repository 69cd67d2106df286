// Model repositories for uploads: existence, visibility, creation, branches.
#pragma once

#include <optional>
#include <string>

#include "hub/http/session.h"

namespace gptq::hub {

struct RepositoryInfo {
  std::string id;      // its current name; a renamed repository can still be read by its old one
  std::string commit;  // of the requested branch
  bool is_private = false;
  bool gated = false;
};

// nullopt when there is no repository that this token can see, or no such revision; `code` is the Hub's error code.
std::optional<RepositoryInfo> find_repository(const Session& session, HttpClient& client, const std::string& id,
                                              const std::string& revision, std::string* code = nullptr);

// "org/name". Succeeds when it exists already.
void create_repository(const Session& session, HttpClient& client, const std::string& id, bool is_private);
void create_branch(const Session& session, HttpClient& client, const std::string& id, const std::string& branch);

// A POST with a JSON body to a path of the endpoint. Throws what explain() returns unless the response is 2xx.
HttpResponse post_json(const Session& session, HttpClient& client, const std::string& path, const std::string& body,
                       const RequestContext& context);

}  // namespace gptq::hub
