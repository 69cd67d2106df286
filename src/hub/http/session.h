// Context of one operation on the Hub: configuration, token, clock and cancellation.
#pragma once

#include <functional>
#include <string>

#include "hub/http/clock.h"
#include "hub/http/errors.h"
#include "hub/http/http.h"
#include "hub/http/settings.h"
#include "hub/http/token.h"

namespace gptq::hub {

inline constexpr int kMaxRedirects = 10;  // of one request
// maximum accepted Retry-After in seconds; the Hub's rate limit windows are five minutes
inline constexpr double kMaxRequestedWait = 300;

// Shared by all workers of the operation and not modified while they run.
struct Session {
  Settings settings;
  Token token;
  Clock* clock = &system_clock();
  std::function<bool()> should_continue = [] { return true; };  // polled often, from any thread; false: cancel

  // Sleeps, polling should_continue. Throws Error(kInterrupted).
  void wait(double seconds) const;
  void throw_if_stopped() const;

  bool is_hub(const std::string& url) const;  // the endpoint's own host, the only one that receives the token
};

// The session of this machine and user. Reads the token unless offline mode is on.
Session open_session(const std::string& token);

// A metadata request: small and without side effects. Sends the token when the URL is the Hub's, and follows redirects
// on the Hub's host. Transient failures are retried, up to `tries` attempts in all, after 1 s, 2 s, 4 s, 8 s (with
// jitter) or the time that the server requests. Returns the last response of any status; throws Error(kInterrupted).
HttpResponse request_with_retries(const Session& session, HttpClient& client, HttpRequest request, int tries = 5);

}  // namespace gptq::hub
