// One HTTP exchange at a time, over libcurl: no redirects are followed, nothing is retried; those are rules
// of the Hub's.
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
  // For uploads of files: `size` bytes that `read` hands out, from the position that `seek` sets: 0 at the beginning,
  // and others when a connection has to start over.
  struct Source {
    int64_t size = 0;
    std::function<size_t(char* to, size_t max_bytes)> read;
    std::function<bool(int64_t position)> seek;
  };
  const Source* source = nullptr;
  // Called for the bytes of a 2xx answer once the headers are known; false ends the exchange with `stopped`, and what
  // it throws comes out of send(). Other bodies are kept: up to 64 MiB, of errors up to 64 KiB and none beyond.
  std::function<bool(const struct HttpResponse&, std::string_view bytes)> sink = {};
  std::function<bool()> alive = {};  // asked about once a second; false ends the exchange with `stopped`
  bool decode = true;  // gzip is asked for; off for metadata and files. What comes as gzip is unpacked in any case.
  int connect_timeout = 0;  // seconds; 0: the metadata timeout of the settings
  int stall_timeout = 0;    // seconds without a byte; the same. Next to no bytes: low_speed_time of the settings.
};

struct HttpResponse {
  std::string url;                             // that gave it
  int status = 0;                              // 0: no answer, see `failure`
  std::map<std::string, std::string> headers;  // names in lower case; of several with one name the last
  std::string body;
  std::string failure;     // why there is no whole answer, in libcurl's words; "" when there is
  bool permanent = false;  // the failure will be there next time too: certificates, an address that cannot be
  bool too_slow = false;   // the failure: some bytes came, too few of them
  bool stopped = false;    // the sink or `alive` said so
  int tries = 1;           // how often it was asked for, by those who ask again

  bool ok() const { return failure.empty() && status >= 200 && status < 300; }
  bool is_redirect() const { return failure.empty() && status >= 300 && status < 400; }
  std::string header(const std::string& lower_case_name) const;  // "" when absent
};

// Keeps connections open between exchanges. One thread at a time; every worker has its own.
class HttpClient {
 public:
  explicit HttpClient(const Settings& settings);
  HttpClient(HttpClient&&) noexcept;
  ~HttpClient();

  // User information in the address ("http://user:password@host/") is not sent: addresses come from servers. The
  // endpoint's own, out of HF_ENDPOINT, goes to the endpoint's host when there is no token.
  HttpResponse send(const HttpRequest& request);
  const Settings& settings() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string host_of(const std::string& url);  // "scheme://host:port": what a token may be sent to
std::string without_user_info(const std::string& url, std::string* user_info = nullptr);  // "user:password", decoded
std::string absolute_url(const std::string& base, const std::string& location);  // of a Location header, "" if none
double seconds_until(const std::string& http_date);                              // -1 when it is no date

}  // namespace gptq::hub
