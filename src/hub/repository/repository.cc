// Requests about whole repositories.
#include "hub/repository/repository.h"

#include "core/json.h"
#include "hub/http/reply.h"
#include "hub/repository/names.h"

namespace gptq::hub {

namespace {

constexpr int kConflict = 409;  // it exists

RepositoryInfo parse_info(const std::string& body, const std::string& id, const std::string& where) {
  const Json json = parse_reply(body, where);
  const JsonReader reader(json, where);
  RepositoryInfo info;
  info.id = reader.string("id", id);
  if (!is_repo_id(info.id)) reader.fail("id", "org/name");
  info.commit = reader.string("sha", "");
  info.is_private = reader.boolean("private", false);
  const Json* gated = reader.find("gated");  // false, "auto" or "manual"
  info.gated = gated != nullptr && *gated != Json(false);
  return info;
}

}  // namespace

std::optional<RepositoryInfo> find_repository(const Session& session, HttpClient& client, const std::string& id,
                                              const std::string& revision, std::string* code) {
  HttpRequest request;
  const std::string path = "/api/models/" + id + "/revision/" + url_encoded(revision, false);
  request.url = session.settings.endpoint + path;
  const RequestContext context{"looking for " + id, id, revision, ""};
  const HttpResponse response = request_with_retries(session, client, request);
  if (response.ok()) return parse_info(response.body, id, "the answer of " + request.url);
  const std::string found = response.header("x-error-code");
  if (code != nullptr) *code = found;
  const bool absent = found == "RepoNotFound" || found == "RevisionNotFound";
  if (response.failure.empty() && (response.status == 404 || response.status == 401) && absent) return std::nullopt;
  throw explain(response, context, session.settings, session.token);
}

void create_repository(const Session& session, HttpClient& client, const std::string& id, bool is_private) {
  const size_t slash = id.find('/');
  Json body = {{"type", "model"}, {"organization", id.substr(0, slash)}, {"name", id.substr(slash + 1)}};
  if (is_private) body["visibility"] = "private";  // else the organization decides
  HttpRequest request;
  request.method = "POST";
  request.url = session.settings.endpoint + "/api/repos/create";
  request.headers = {"Content-Type: application/json"};
  request.body = body.dump();
  const HttpResponse response = request_with_retries(session, client, request);
  if (response.ok() || response.status == kConflict) return;
  throw explain(response, {"creating the repository " + id, id, "", ""}, session.settings, session.token);
}

void create_branch(const Session& session, HttpClient& client, const std::string& id, const std::string& branch) {
  post_json(session, client, "/api/models/" + id + "/branch/" + url_encoded(branch, false), "{}",
            {"creating the branch " + branch + " of " + id, id, branch, ""});
}

HttpResponse post_json(const Session& session, HttpClient& client, const std::string& path, const std::string& body,
                       const RequestContext& context) {
  HttpRequest request;
  request.method = "POST";
  request.url = session.settings.endpoint + path;
  request.headers = {"Content-Type: application/json"};
  request.body = body;
  HttpResponse response = request_with_retries(session, client, request);
  if (!response.ok()) throw explain(response, context, session.settings, session.token);
  return response;
}

}  // namespace gptq::hub
