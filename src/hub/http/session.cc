// Retries with backoff, cancellable waits.
#include "hub/http/session.h"

#include <algorithm>
#include <cmath>
#include <mutex>
#include <set>

#include "core/log.h"

namespace gptq::hub {

namespace {

constexpr double kFirstWait = 1, kMaxWait = 8;  // seconds, as huggingface_hub waits
constexpr double kWorthANote = 5;
constexpr double kSlice = 0.1;  // between two polls of should_continue
constexpr size_t kMaxWarnings = 20;

// "X-HF-Warning: topic; message", which a server may send with every response: each is logged once.
void pass_on_warning(const HttpResponse& response) {
  static std::mutex mutex;
  static std::set<std::string> told;
  const std::string warning = printable(response.header("x-hf-warning"));
  if (warning.empty()) return;
  {
    const std::lock_guard lock(mutex);
    if (told.size() == kMaxWarnings || !told.insert(warning).second) return;
  }
  const size_t topic_end = warning.find(';');
  const size_t begin = warning.find_first_not_of(' ', topic_end == std::string::npos ? 0 : topic_end + 1);
  warn("the Hub says: " + (begin == std::string::npos ? warning : warning.substr(begin)));
}

}  // namespace

Session open_session(const std::string& token) {
  Session session;
  session.settings = Settings::from_environment();
  if (!session.settings.offline) session.token = find_token(session.settings, token);
  return session;
}

void Session::throw_if_stopped() const {
  if (!should_continue()) throw Error(ErrorKind::kInterrupted, "interrupted; run the same command again to resume");
}

void Session::wait(double seconds) const {
  for (double left = seconds; left > 0; left -= kSlice) {
    throw_if_stopped();
    clock->sleep(std::min(left, kSlice));
  }
}

bool Session::is_hub(const std::string& url) const { return host_of(url) == host_of(settings.endpoint); }

HttpResponse request_with_retries(const Session& session, HttpClient& client, HttpRequest request, int tries) {
  request.token = session.is_hub(request.url) ? session.token.value : "";
  request.alive = session.should_continue;
  int redirects = 0;
  for (int attempt = 1;; ++attempt) {
    HttpResponse response = client.send(request);
    while (response.is_redirect() && redirects < kMaxRedirects) {
      const std::string next = absolute_url(request.url, response.header("location"));
      if (next.empty() || !session.is_hub(next)) break;
      request.url = next;
      ++redirects;
      response = client.send(request);
    }
    session.throw_if_stopped();
    pass_on_warning(response);
    response.tries = attempt;
    if (attempt == tries || !is_transient(response)) return response;
    double seconds = seconds_to_wait(response);
    if (seconds > kMaxRequestedWait) return response;
    if (seconds < 0) {
      const double whole = std::min(kMaxWait, kFirstWait * std::pow(2, attempt - 1));
      seconds = whole * (0.5 + 0.5 * session.clock->chance());
    } else if (seconds > kWorthANote) {
      note("the Hub requests a pause of " + std::to_string(static_cast<int>(seconds)) + " s");
    }
    session.wait(seconds);
  }
}

}  // namespace gptq::hub
