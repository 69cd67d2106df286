// Logins: identifying the owner of a token with the Hub, and the tokens stored on this machine.
#include <gptq/hub.h>

#include <cstdlib>
#include <string>
#include <utility>

#include "core/json.h"
#include "core/log.h"
#include "hub/auth/whoami.h"
#include "hub/http/errors.h"
#include "hub/http/http.h"
#include "hub/http/settings.h"
#include "hub/http/token.h"

namespace gptq::hub {

namespace {

// The endpoint has a low rate limit: one request, no retries.
Identity ask_who(const Settings& settings, const Token& token, const std::string& doing) {
  if (token.value.empty()) {
    throw Error(ErrorKind::kPermission, doing + ": found no token (HF_TOKEN is not set and " +
                                            settings.token_file.string() +
                                            " holds none); log in with `gptq auth login`, or set HF_TOKEN");
  }
  if (settings.offline) {
    throw Error(ErrorKind::kNetwork,
                doing + ": offline mode is on (HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE); unset the variable");
  }
  HttpClient client(settings);
  HttpRequest request;
  request.url = settings.endpoint + "/api/whoami-v2";
  request.token = token.value;
  const HttpResponse response = client.send(request);
  if (!response.ok()) throw explain(response, {doing, "", "", ""}, settings, token);
  Identity identity = parse_identity(response.body, "the answer of " + request.url);
  identity.token_source = token.source;
  return identity;
}

const char* token_variable() {
  for (const char* name : {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"}) {
    if (const char* value = std::getenv(name); value != nullptr && *value != '\0') return name;
  }
  return nullptr;
}

void warn_of_variable(const std::string& what) {
  if (const char* name = token_variable())
    warn(what + ", but " + name + " is set and takes precedence; unset the variable to use the stored login");
}

}  // namespace

}  // namespace gptq::hub

namespace gptq {

HubState hub_state() {
  const hub::Settings settings = hub::Settings::from_environment();
  const hub::Token token = hub::find_token(settings, "");
  return {settings.endpoint, settings.cache.string(), token.value.empty() ? "" : token.source, settings.offline};
}

Identity log_in(const std::string& token, const std::string& token_name) {
  const hub::Settings settings = hub::Settings::from_environment();
  const hub::Token given = hub::find_token(settings, token);
  if (token.empty() || given.value.empty()) {
    throw Error(ErrorKind::kUsage, "logging in: the token is empty or contains invalid characters; create one at " +
                                       settings.endpoint + "/settings/tokens");
  }
  Identity identity = hub::ask_who(settings, given, "logging in");
  if (!token_name.empty()) identity.token_name = token_name;
  hub::store_token(settings, identity.token_name, given.value);
  identity.token_source = settings.token_file.string();
  hub::warn_of_variable("this login is stored");
  return identity;
}

Identity who_am_i(const std::string& token) {
  const hub::Settings settings = hub::Settings::from_environment();
  return hub::ask_who(settings, hub::find_token(settings, token), "checking your login with the Hub");
}

std::vector<StoredLogin> stored_logins() {
  const hub::Settings settings = hub::Settings::from_environment();
  const std::string active = hub::find_token(settings, "").value;
  std::vector<StoredLogin> logins;
  for (const auto& [name, value] : hub::read_stored_tokens(settings)) {
    logins.push_back({name, hub::redacted(value), value == active});
  }
  return logins;
}

void switch_login(const std::string& token_name) {
  const hub::Settings settings = hub::Settings::from_environment();
  const std::map<std::string, std::string> tokens = hub::read_stored_tokens(settings);
  const auto found = tokens.find(token_name);
  if (found == tokens.end()) {
    std::string known;
    for (const auto& [name, value] : tokens) known += (known.empty() ? "" : ", ") + name;
    throw Error(ErrorKind::kNotFound,
                "switching to login \"" + token_name + "\": it is not in " + settings.stored_tokens_file.string() +
                    "; stored: " + (known.empty() ? "none; log in with `gptq auth login`" : known));
  }
  hub::make_active(settings, found->second);
  hub::warn_of_variable("the login \"" + token_name + "\" is active now");
}

void log_out(const std::string& token_name) {
  hub::forget_token(hub::Settings::from_environment(), token_name);
  if (const char* name = hub::token_variable())
    warn(std::string("the stored login is gone, but ") + name + " is set and still logs you in; unset the variable");
}

}  // namespace gptq
