// One HTTP exchange at a time, over libcurl. No redirects and no retries: those follow rules of the Hub.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "hub/http/settings.h"

namespace gptq::hub {

struct HttpRequest {
  std::string method = "GET";
  std::string url = {};
  std::vector<std::string> headers = {};  // "Name: value"
  std::string token = {};                 // sent as a bearer token, to this URL's host only
  std::string body = {};
  // For file uploads: `size` bytes that `read` returns, from the position that `seek` sets: 0 at the beginning, another
  // one when a connection has to restart.
  struct Source {
    int64_t size = 0;
    std::function<size_t(char* to, size_t max_bytes)> read;
    std::function<bool(int64_t position)> seek;
  };
  const Source* source = nullptr;
  // Called with the bytes of a 2xx response once its headers are known; false ends the exchange with `stopped`, and
  // exceptions are rethrown by send(). Without a sink, and for errors, the body is kept: up to 64 MiB, of errors up
  // to 64 KiB.
  std::function<bool(const struct HttpResponse&, std::string_view bytes)> sink = {};
  std::function<bool()> alive = {};  // polled about once per second; false ends the exchange with `stopped`
  bool decode = true;       // accept gzip; off for metadata and files. A gzip response is unpacked in any case.
  int connect_timeout = 0;  // seconds; 0: Settings::metadata_timeout
  // seconds without a byte; 0: the same. For very slow connections see Settings::low_speed_time.
  int stall_timeout = 0;
};

struct HttpResponse {
  std::string url;                             // the URL that sent it
  int status = 0;                              // 0: no response, see `failure`
  std::map<std::string, std::string> headers;  // names in lower case; the last of several with one name
  std::string body;
  std::string failure;     // libcurl's reason if there is no complete response; "" on success
  bool permanent = false;  // retrying cannot help: certificates, an invalid address
  bool too_slow = false;   // failed because the transfer was too slow
  bool stopped = false;    // stopped by the sink or by `alive`
  int tries = 1;           // number of attempts, set by callers that retry

  bool ok() const { return failure.empty() && status >= 200 && status < 300; }
  bool is_redirect() const { return failure.empty() && status >= 300 && status < 400; }
  std::string header(const std::string& lower_case_name) const;  // "" when absent
};

// Keeps connections open between exchanges. Not thread-safe: each worker has its own.
class HttpClient {
 public:
  explicit HttpClient(const Settings& settings);
  HttpClient(HttpClient&&) noexcept;
  ~HttpClient();

  // Credentials in the URL ("http://user:password@host/") are not sent: URLs come from servers. Those of HF_ENDPOINT
  // are sent to the endpoint's host when there is no token.
  HttpResponse send(const HttpRequest& request);
  const Settings& settings() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string host_of(const std::string& url);  // "scheme://host:port": the scope of a token
std::string without_user_info(const std::string& url, std::string* user_info = nullptr);  // "user:password", decoded
std::string absolute_url(const std::string& base, const std::string& location);  // of a Location header; "" if none
double seconds_until(const std::string& http_date);                              // -1 when it is not a date

}  // namespace gptq::hub
