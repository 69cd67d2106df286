// What the Hub's refusals mean, and what people can do about each: one table.
#pragma once

#include <string>

#include <gptq/error.h>

#include "hub/http/http.h"
#include "hub/http/token.h"

namespace gptq::hub {

// What was attempted, for the sentence: "pulling org/name (config.json)".
struct RequestContext {
  std::string action;
  std::string id;  // repository, "" when there is none
  std::string revision;
  std::string path;  // file, "" when there is none
};

// The Error for an answer that is not 2xx, or for none at all. Tells apart: gated and not logged in, gated and terms
// not accepted, awaiting review, a token without the right, a wrong token (by its source), not found or private, no
// such revision, no such file, taken down, rate-limited (seconds), server errors, not the Hub at all, no connection.
// Ends with `advice` and the request id.
Error explain(const HttpResponse& response, const RequestContext& context, const Settings& settings, const Token& token,
              const std::string& advice = "");

// A server's words as one line for a terminal: sanitize_for_terminal(), with spaces for line breaks and tabs, cut
// behind 500 bytes.
std::string printable(std::string_view text);

// True for what may go away by itself: no connection, a timeout, 408, 429, 500, 502, 503, 504.
bool is_transient(const HttpResponse& response);

// Seconds that the server asks to wait (Retry-After, RateLimit), -1 when it does not say.
double seconds_to_wait(const HttpResponse& response);

}  // namespace gptq::hub
