// A model repository on the Hub as writers see it: is it there, who may see it, make it, make a branch.
#pragma once

#include <optional>
#include <string>

#include "hub/http/session.h"

namespace gptq::hub {

struct RepositoryInfo {
  std::string id;      // as the Hub calls it now; a renamed repository still answers to its old name
  std::string commit;  // of the branch that was asked about
  bool is_private = false;
  bool gated = false;
};

// Nothing when there is none that this token may see, or no such revision (`code` says which, as the Hub words it).
std::optional<RepositoryInfo> find_repository(const Session& session, HttpClient& client, const std::string& id,
                                              const std::string& revision, std::string* code = nullptr);

// "org/name". Fine when it exists already.
void create_repository(const Session& session, HttpClient& client, const std::string& id, bool is_private);
void create_branch(const Session& session, HttpClient& client, const std::string& id, const std::string& branch);

// A POST with a JSON body to a path of the endpoint. Throws what explain() says unless the answer is 2xx.
HttpResponse post_json(const Session& session, HttpClient& client, const std::string& path, const std::string& body,
                       const RequestContext& context);

}  // namespace gptq::hub
