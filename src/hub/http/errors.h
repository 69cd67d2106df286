// Explains failed requests to the Hub: one table of causes and remedies.
#pragma once

#include <string>

#include <gptq/error.h>

#include "hub/http/http.h"
#include "hub/http/token.h"

namespace gptq::hub {

// What was attempted, for the message: "pulling org/name (config.json)".
struct RequestContext {
  std::string action;
  std::string id;  // repository; "" when there is none
  std::string revision;
  std::string path;  // file; "" when there is none
};

// The Error for a response that is not 2xx, or for none at all. Distinguishes: gated and not logged in, gated and terms
// not accepted, awaiting review, insufficient permissions, invalid token (by its source), not found or private, no such
// revision, no such file, taken down, rate limit (seconds), server errors, not a Hub, no connection. Ends with `advice`
// and the request id.
Error explain(const HttpResponse& response, const RequestContext& context, const Settings& settings, const Token& token,
              const std::string& advice = "");

// A server's text as one line for a terminal: sanitize_for_terminal(), with spaces for line breaks and tabs, cut
// after 500 bytes.
std::string printable(std::string_view text);

// True for failures that may be temporary: no connection, a timeout, 408, 429, 500, 502, 503, 504.
bool is_transient(const HttpResponse& response);

// Seconds that the server requests to wait (Retry-After, RateLimit); -1 if unspecified.
double seconds_to_wait(const HttpResponse& response);

}  // namespace gptq::hub
