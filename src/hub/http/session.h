// What one operation on the Hub carries along: where the Hub is, who asks, how to wait, and when to stop.
#pragma once

#include <functional>
#include <string>

#include "hub/http/clock.h"
#include "hub/http/errors.h"
#include "hub/http/http.h"
#include "hub/http/settings.h"
#include "hub/http/token.h"

namespace gptq::hub {

inline constexpr int kMaxRedirects = 10;          // of one request
inline constexpr double kMaxRequestedWait = 300;  // seconds a server may ask to wait: the Hub counts over five minutes

// Shared by all workers of the operation; nothing in it changes while they run.
struct Session {
  Settings settings;
  Token token;
  Clock* clock = &system_clock();
  std::function<bool()> should_continue = [] { return true; };  // asked often, from any thread; false: stop

  // Sleeps, asking keep_going on the way. Throws Error(kInterrupted).
  void wait(double seconds) const;
  void throw_if_stopped() const;

  bool is_hub(const std::string& url) const;  // the endpoint's own host: the only one that may see the token
};

// The session of this machine and this user. Reads the token unless the session is offline.
Session open_session(const std::string& token);

// A request for metadata: small, without side effects. The token goes along when the URL is the Hub's, and
// redirects that stay on the Hub's host are followed. What may pass by itself is tried again: `tries` times in all,
// after 1 s, 2 s, 4 s, 8 s (with jitter), or after the time that the server asks for. Gives the last answer,
// whatever it is; throws Error(kInterrupted).
HttpResponse request_with_retries(const Session& session, HttpClient& client, HttpRequest request, int tries = 5);

}  // namespace gptq::hub
