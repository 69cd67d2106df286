// Explanations of failed responses. Source: huggingface_hub's hf_raise_for_status, and what the Hub's servers answer.
#include "hub/http/errors.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include <gptq/terminal.h>

#include "core/ascii.h"
#include "core/json.h"
#include "hub/http/reply.h"

namespace gptq::hub {

namespace {

// The server's message: X-Error-Message, else {"error": ...} of the body, else "".
std::string message_of(const HttpResponse& response) {
  std::string message = response.header("x-error-message");
  if (message.empty() && !response.body.empty()) {
    const Json body = reply_or_null(response.body);
    if (body.is_object()) {
      for (const char* key : {"error", "message"}) {
        if (body.contains(key) && body[key].is_string()) message = body[key].get<std::string>();
        if (!message.empty()) break;
      }
    }
  }
  return printable(message);
}

bool says(const std::string& message, std::string_view part) {
  const auto same = [](char a, char b) { return ascii_lower(a) == ascii_lower(b); };
  return std::search(message.begin(), message.end(), part.begin(), part.end(), same) != message.end();
}

std::string quoted(const std::string& message) { return message.empty() ? "" : " (\"" + message + "\")"; }

double number(const std::string& text) {
  double value = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && value >= 0 && value <= 1e9 ? value : -1;
}

// The number after ";key="; -1 when there is none.
double field(const std::string& header, const std::string& key) {
  const std::string before = ";" + key + "=";
  const size_t at = header.find(before);
  if (at == std::string::npos) return -1;
  const size_t begin = at + before.size();
  return number(header.substr(begin, header.find_first_of(";,", begin) - begin));
}

struct Explanation {
  ErrorKind kind;
  std::string sentence;
};

struct FailedResponse {
  const HttpResponse& response;
  const RequestContext& context;
  const Settings& settings;
  const Token& token;
  std::string code, message;

  std::string tried() const {
    return response.tries > 1 ? " (tried " + std::to_string(response.tries) + " times)" : "";
  }
  std::string page() const { return settings.endpoint + "/" + context.id; }
  std::string your_token() const { return "the token from " + token.source; }
};

Explanation gated(const FailedResponse& c) {
  const std::string& id = c.context.id;
  if (says(c.message, "awaiting a review")) {
    return {
        ErrorKind::kPermission,
        "access to " + id +
            " was requested, but its authors have not approved it yet; wait for their approval e-mail, then try again"};
  }
  if (c.token.value.empty()) {
    return {ErrorKind::kPermission, id + " is gated, and you are not logged in; 1. accept its terms at " + c.page() +
                                        "  2. `gptq auth login`, or set HF_TOKEN  3. try again"};
  }
  return {ErrorKind::kPermission, id + " is gated, and the account of " + c.your_token() +
                                      " has not accepted its terms; open " + c.page() +
                                      ", accept them, then try again"};
}

Explanation wrong_token(const FailedResponse& c) {
  return {ErrorKind::kPermission,
          c.your_token() + " is invalid (wrong, expired or revoked); create a new one at " + c.settings.endpoint +
              "/settings/tokens and run `gptq auth login`" +
              (c.token.source.starts_with("HF_") || c.token.source.starts_with("HUGGING") ? ", or unset the variable"
                                                                                          : "")};
}

Explanation no_repository(const FailedResponse& c) {
  const std::string advice = c.token.value.empty()
                                 ? "check the spelling; if it is private, log in first: `gptq auth login`"
                                 : "check the spelling, and that the account of " + c.your_token() + " has read access";
  return {ErrorKind::kNotFound,
          c.context.id + " was not found on " + c.settings.endpoint + ", or is private; " + advice};
}

Explanation forbidden(const FailedResponse& c) {
  if (c.code == "GatedRepo") return gated(c);
  if (says(c.message, "fine-grained token settings") || says(c.message, "insufficient permissions") ||
      says(c.message, "required scope")) {
    return {ErrorKind::kPermission, c.your_token() + " lacks a permission for this" + quoted(c.message) +
                                        "; edit it at " + c.settings.endpoint +
                                        "/settings/tokens (access to gated repositories and write access are separate "
                                        "permissions), or use another token"};
  }
  if (says(c.message, "disabled"))
    return {ErrorKind::kPermission, "the Hub has disabled access to " + c.context.id + quoted(c.message)};
  return {
      ErrorKind::kPermission,
      "the Hub refuses access" + quoted(c.message) + "; check at " + c.settings.endpoint + "/settings/tokens that " +
          (c.token.value.empty() ? "you have a token and are logged in" : c.your_token() + " has permission for this")};
}

Explanation not_found(const FailedResponse& c) {
  if (c.code == "RevisionNotFound") {
    return {ErrorKind::kNotFound, c.context.id + " has no revision \"" + c.context.revision +
                                      "\"; its branches and tags are listed at " + c.page() + "/tree/main"};
  }
  if (c.code == "EntryNotFound") {
    return {ErrorKind::kNotFound, c.context.id + " has no file " + c.context.path + " at revision " +
                                      c.context.revision + "; its files are listed at " + c.page() + "/tree/main"};
  }
  if (c.code == "RepoNotFound" || (c.code.empty() && !c.message.empty())) return no_repository(c);
  return {ErrorKind::kNotFound, c.settings.endpoint + " has nothing at this URL" + quoted(c.message) +
                                    "; is HF_ENDPOINT a Hugging Face Hub?"};
}

Explanation explanation_of(const FailedResponse& c) {
  const int status = c.response.status;
  if (!c.response.failure.empty() && (status == 0 || (status >= 200 && status < 300))) {
    return {ErrorKind::kNetwork, "the connection to " + c.settings.endpoint + " failed (" +
                                     printable(c.response.failure) + ")" + c.tried() +
                                     "; check the network, HTTPS_PROXY and HF_ENDPOINT, then run the same command "
                                     "again: completed downloads are kept"};
  }
  if (status == 401 && c.code == "GatedRepo") return gated(c);
  if (status == 401 && !c.token.value.empty() &&
      (says(c.message, "invalid credentials") || says(c.message, "invalid username") || c.context.id.empty())) {
    return wrong_token(c);
  }
  if (status == 401) {
    if (!c.context.id.empty()) return no_repository(c);
    return {ErrorKind::kPermission,
            "this needs a login" + quoted(c.message) + "; run `gptq auth login`, or set HF_TOKEN"};
  }
  if (status == 403) return forbidden(c);
  if (status == 402) {
    return {ErrorKind::kPermission, "the Hub requires a paid plan for this" + quoted(c.message) + "; see " +
                                        c.settings.endpoint + "/settings/billing"};
  }
  if (status == 451)
    return {ErrorKind::kPermission, "" + c.context.id + " is unavailable for legal reasons (HTTP 451)" +
                                        quoted(c.message) + "; use another model"};
  if (status == 404) return not_found(c);
  if (status == 429) {
    const double wait = seconds_to_wait(c.response);
    return {ErrorKind::kNetwork,
            "the Hub's rate limit is exceeded" + c.tried() +
                (wait >= 0 ? "; wait " + std::to_string(static_cast<int64_t>(std::ceil(wait))) + " s"
                           : std::string("; wait a few minutes")) +
                (c.token.value.empty() ? ", or log in, which doubles the limit: `gptq auth login`" : "")};
  }
  if (status >= 500) {
    return {ErrorKind::kNetwork, "the Hub's server failed (status " + std::to_string(status) + ")" + c.tried() +
                                     quoted(c.message) + "; try again later"};
  }
  if (status >= 300 && status < 400) {
    return {ErrorKind::kNetwork, "the server redirects to an unexpected location (status " + std::to_string(status) +
                                     "); check HF_ENDPOINT, and whether this network has a login page"};
  }
  return {ErrorKind::kNetwork, "the Hub answered with status " + std::to_string(status) + quoted(c.message) +
                                   "; HF_DEBUG=1 shows each request; if it persists, report it"};
}

}  // namespace

Error explain(const HttpResponse& response, const RequestContext& context, const Settings& settings, const Token& token,
              const std::string& advice) {
  const FailedResponse c{response, context, settings, token, response.header("x-error-code"), message_of(response)};
  const Explanation result = explanation_of(c);
  std::string request = response.header("x-request-id");
  if (request.empty()) request = response.header("x-amzn-trace-id");
  return Error(result.kind, context.action + ": " + result.sentence + advice +
                                (request.empty() ? "" : " (request id " + printable(request.substr(0, 100)) + ")"));
}

std::string printable(std::string_view text) {
  constexpr size_t kMaxBytes = 500;
  const bool cut = text.size() > kMaxBytes;
  size_t end = std::min(text.size(), kMaxBytes);
  while (cut && end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;  // between characters
  std::string shown = sanitize_for_terminal(text.substr(0, end));
  for (char& c : shown) c = c == '\n' || c == '\t' ? ' ' : c;
  return cut ? shown + "…" : shown;
}

bool is_transient(const HttpResponse& response) {
  if (response.stopped || response.permanent) return false;
  if (!response.failure.empty()) return true;
  static constexpr int kPassing[] = {408, 429, 500, 502, 503, 504};
  return std::find(std::begin(kPassing), std::end(kPassing), response.status) != std::end(kPassing);
}

double seconds_to_wait(const HttpResponse& response) {
  const std::string retry_after = response.header("retry-after");
  if (const double wait = number(retry_after); wait >= 0) return wait;
  if (!retry_after.empty()) return seconds_until(retry_after);
  // RateLimit: "api";r=0;t=55 no requests remain for 55 seconds; the header is in every response, so r matters
  const std::string limit = response.header("ratelimit");
  return field(limit, "r") == 0 ? field(limit, "t") : -1;
}

}  // namespace gptq::hub
