// Parses the owner and the permissions of a token.
#include "hub/auth/whoami.h"

#include "core/json.h"
#include "hub/http/reply.h"

namespace gptq::hub {

namespace {

const Json& list(const JsonReader& reader, const char* key) {
  static const Json kNone = Json::array();
  const Json* found = reader.find(key);
  if (found != nullptr && !found->is_array()) reader.fail(key, "a list");
  return found == nullptr ? kNone : *found;
}

// "repo.write (org)" of {"entity": {"name": "org"}, "permissions": ["repo.write"]}.
void add_scoped(const Json& json, const std::string& where, std::vector<std::string>& permissions) {
  const JsonReader scope(json, where);
  std::string entity;
  if (const Json* found = scope.find("entity")) entity = JsonReader(*found, where + ", \"entity\"").string("name", "");
  for (const Json& permission : list(scope, "permissions")) {
    if (permission.is_string())
      permissions.push_back(permission.get<std::string>() + (entity.empty() ? "" : " (" + entity + ")"));
  }
}

}  // namespace

Identity parse_identity(std::string_view json, const std::string& where) {
  const Json document = parse_reply(json, where);
  const JsonReader reader(document, where);
  Identity identity;
  identity.name = reader.string("name");
  identity.full_name = reader.string("fullname", "");
  for (const Json& organization : list(reader, "orgs"))
    identity.organizations.push_back(JsonReader(organization, where + ", \"orgs\"").string("name"));
  identity.token_name = "token";
  const Json* auth = reader.find("auth");
  if (auth == nullptr) return identity;
  const Json* access = JsonReader(*auth, where + ", \"auth\"").find("accessToken");
  if (access == nullptr) return identity;
  const JsonReader token(*access, where + ", \"accessToken\"");
  identity.token_name = token.string("displayName", identity.token_name);
  identity.token_role = token.string("role", "");
  if (const Json* found = token.find("fineGrained")) {
    const JsonReader fine(*found, where + ", \"fineGrained\"");
    identity.reads_gated = fine.boolean("canReadGatedRepos", false);
    for (const Json& permission : list(fine, "global")) {
      if (permission.is_string()) identity.permissions.push_back(permission.get<std::string>());
    }
    for (const Json& scope : list(fine, "scoped")) add_scoped(scope, where + ", \"scoped\"", identity.permissions);
  }
  return identity;
}

}  // namespace gptq::hub
