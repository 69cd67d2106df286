// Queries the Hub's search and the list of refs.
#include "hub/repository/suggest.h"

#include <vector>

#include "core/json.h"
#include "hub/http/reply.h"

namespace gptq::hub {

namespace {

constexpr size_t kMaxNames = 8;

Json reply(const Session& session, HttpClient& client, const std::string& path) {
  HttpRequest request;
  request.url = session.settings.endpoint + path;
  const HttpResponse response = request_with_retries(session, client, request, 1);
  return response.ok() ? reply_or_null(response.body) : Json();
}

// The strings under `key` of a list of objects, if safe to print.
void add_names(const Json& list, const char* key, std::vector<std::string>& names) {
  if (!list.is_array()) return;
  for (const Json& entry : list) {
    if (names.size() == kMaxNames) return;
    if (entry.is_object() && entry.contains(key) && entry[key].is_string())
      names.push_back(printable(entry[key].get<std::string>()));
  }
}

std::string joined(const std::vector<std::string>& names, const char* last) {
  std::string text;
  for (size_t i = 0; i < names.size(); ++i) text += (i == 0 ? "" : i + 1 < names.size() ? ", " : last) + names[i];
  return text;
}

std::string models_like(const Session& session, HttpClient& client, const std::string& id) {
  const std::string name = id.substr(id.find('/') + 1);  // the whole name when there is no slash
  std::vector<std::string> ids;
  add_names(reply(session, client, "/api/models?limit=3&search=" + url_encoded(name, false)), "id", ids);
  std::erase(ids, id);
  return ids.empty() ? "" : "; did you mean " + joined(ids, " or ") + "?";
}

std::string revisions_of(const Session& session, HttpClient& client, const std::string& id) {
  const Json refs = reply(session, client, "/api/models/" + id + "/refs");
  std::vector<std::string> names;
  for (const char* list : {"branches", "tags"}) {
    if (refs.is_object() && refs.contains(list)) add_names(refs[list], "name", names);
  }
  return names.empty() ? "" : "; it has " + joined(names, ", ");
}

}  // namespace

std::string suggestion(const Session& session, HttpClient& client, const ModelName& name, const HttpResponse& refusal) {
  const std::string code = refusal.header("x-error-code");
  if (code == "RepoNotFound") return models_like(session, client, name.id);
  if (code == "RevisionNotFound") return revisions_of(session, client, name.id);
  return "";
}

}  // namespace gptq::hub
