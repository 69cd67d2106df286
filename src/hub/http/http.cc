// HTTP exchanges with libcurl's easy interface.
#include "hub/http/http.h"

#include <curl/curl.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <exception>

#include <gptq/error.h>

#include "core/ascii.h"
#include "core/check.h"
#include "core/log.h"

namespace gptq::hub {

namespace {

constexpr size_t kMaxBody = size_t{64} << 20;
constexpr size_t kMaxErrorBody = size_t{64} << 10;  // enough for error messages
constexpr size_t kMaxHeaders = size_t{1} << 20;
constexpr curl_off_t kLowSpeed = 200;  // bytes per second; eight connections on a 56 kbit/s line are faster

// Distributions keep the CA certificates in different places, and the package runs on all of them.
std::string certificates() {
  for (const char* name : {"SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE"}) {
    if (const char* value = std::getenv(name); value != nullptr && *value != '\0') return value;
  }
  for (const char* path :
       {"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem",
        "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", "/etc/ssl/cert.pem"}) {
    if (fs::exists(path)) return path;
  }
  return "";
}

// State of one exchange, shared by libcurl's callbacks.
struct Exchange {
  const HttpRequest* request;
  CURL* curl;
  int low_speed_time = 60;  // seconds
  HttpResponse response = {};
  size_t header_bytes = 0;
  const char* too_large = nullptr;  // size so far, for the error message
  bool error_cut = false;           // the body of an error was truncated
  std::chrono::steady_clock::time_point window_start = std::chrono::steady_clock::now();
  curl_off_t window_bytes = 0;          // bytes transferred before this request started
  std::exception_ptr thrown = nullptr;  // exceptions must not pass through libcurl
};

size_t take_header(char* data, size_t size, size_t count, void* user) {
  auto& exchange = *static_cast<Exchange*>(user);
  HttpResponse& response = exchange.response;
  const std::string_view line(data, size * count);
  exchange.header_bytes += line.size();
  if (exchange.header_bytes > kMaxHeaders) {
    exchange.too_large = "the response headers are larger than 1 MiB";
    return 0;
  }
  if (line.starts_with("HTTP/")) response.headers.clear();  // a response after "100 Continue" or a proxy's
  const size_t colon = line.find(':');
  if (colon != line.npos && !line.starts_with("HTTP/")) {
    response.headers[ascii_lower(trim(line.substr(0, colon)))] = trim(line.substr(colon + 1));
  }
  return size * count;
}

size_t take_body(char* data, size_t size, size_t count, void* user) {
  auto& exchange = *static_cast<Exchange*>(user);
  const std::string_view bytes(data, size * count);
  long status = 0;  // for the sink, before its first byte
  curl_easy_getinfo(exchange.curl, CURLINFO_RESPONSE_CODE, &status);
  exchange.response.status = static_cast<int>(status);
  if (exchange.request->sink && status >= 200 && status < 300) {
    try {
      if (exchange.request->sink(exchange.response, bytes)) return bytes.size();
      exchange.response.stopped = true;
    } catch (...) {
      exchange.thrown = std::current_exception();
    }
    return 0;
  }
  const size_t length = exchange.response.body.size() + bytes.size();
  if (status >= 300 && length > kMaxErrorBody) {
    exchange.error_cut = true;
    return 0;
  }
  if (length > kMaxBody) {
    exchange.too_large = "the response is larger than 64 MiB";
    return 0;
  }
  exchange.response.body += bytes;
  return bytes.size();
}

// libcurl's own speed limit only detects connections without any bytes; this one also detects very slow ones.
bool is_too_slow(Exchange& exchange, curl_off_t bytes) {
  const auto now = std::chrono::steady_clock::now();
  if (now - exchange.window_start < std::chrono::seconds(exchange.low_speed_time)) return false;
  const bool slow = bytes - exchange.window_bytes < kLowSpeed * exchange.low_speed_time;
  exchange.window_start = now;
  exchange.window_bytes = bytes;
  return slow;
}

int ask_alive(void* user, curl_off_t, curl_off_t received, curl_off_t, curl_off_t sent) {
  auto& exchange = *static_cast<Exchange*>(user);
  if (is_too_slow(exchange, received + sent)) {
    exchange.response.too_slow = true;
    return 1;
  }
  try {
    if (!exchange.request->alive || exchange.request->alive()) return 0;
    exchange.response.stopped = true;
  } catch (...) {
    exchange.thrown = std::current_exception();
  }
  return 1;
}

size_t give_body(char* to, size_t size, size_t count, void* user) {
  return static_cast<Exchange*>(user)->request->source->read(to, size * count);
}

int seek_body(void* user, curl_off_t position, int origin) {
  const HttpRequest::Source& source = *static_cast<Exchange*>(user)->request->source;
  return origin == SEEK_SET && source.seek(position) ? CURL_SEEKFUNC_OK : CURL_SEEKFUNC_FAIL;
}

// The query of a signed address is a credential.
std::string without_secrets(const std::string& url) {
  const size_t query = url.find('?');
  return query == std::string::npos || url.find("/api/") < query ? url : url.substr(0, query) + "?…";
}

struct Slist {
  curl_slist* list = nullptr;
  ~Slist() { curl_slist_free_all(list); }
  void add(const std::string& line) { list = curl_slist_append(list, line.c_str()); }
};

}  // namespace

struct HttpClient::State {
  Settings settings;
  std::string user_agent, certificates;
  CURL* curl = nullptr;

  // A handle whose last exchange failed may reject options (libcurl 7.88 rejects the buffer size after a host name was
  // not found), so it is not reused.
  void renew() {
    curl_easy_cleanup(curl);
    curl = curl_easy_init();
    CHECK(curl != nullptr, "libcurl returns handles");
  }
};

HttpClient::HttpClient(const Settings& settings) : state_(std::make_unique<State>()) {
  static const std::string library = [] {  // once: curl_version() writes to static memory
    curl_global_init(CURL_GLOBAL_DEFAULT);
    return curl_version();
  }();
  state_->settings = settings;
  state_->user_agent = std::string("gptq/") + GPTQ_VERSION;
  if (settings.telemetry) state_->user_agent += "; " + library;
  state_->certificates = certificates();
  state_->renew();
}
HttpClient::HttpClient(HttpClient&&) noexcept = default;
HttpClient::~HttpClient() {
  if (state_ != nullptr) curl_easy_cleanup(state_->curl);
}

const Settings& HttpClient::settings() const { return state_->settings; }

namespace {

template <typename Value>
void set_option(CURL* curl, CURLoption option, Value value) {
  CHECK(curl_easy_setopt(curl, option, value) == CURLE_OK, "libcurl knows its options");
}

// The method, and the body that goes with it.
void set_method(CURL* curl, const HttpRequest& request, Exchange& exchange) {
  if (request.method == "HEAD") {
    set_option(curl, CURLOPT_NOBODY, 1L);
  } else if (request.source != nullptr) {
    CHECK(request.source->seek(0), "every source has a beginning");
    set_option(curl, CURLOPT_UPLOAD, 1L);
    set_option(curl, CURLOPT_READFUNCTION, give_body);
    set_option(curl, CURLOPT_READDATA, &exchange);
    set_option(curl, CURLOPT_SEEKFUNCTION, seek_body);
    set_option(curl, CURLOPT_SEEKDATA, &exchange);
    set_option(curl, CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(request.source->size));
    set_option(curl, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  } else if (request.method != "GET") {
    set_option(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
    set_option(curl, CURLOPT_POSTFIELDS, request.body.c_str());
    set_option(curl, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  }
}

}  // namespace

HttpResponse HttpClient::send(const HttpRequest& request) {
  CURL* curl = state_->curl;
  curl_easy_reset(curl);
  const std::string url = without_user_info(request.url);  // ignore credentials in a server's addresses
  Exchange exchange{&request, curl};
  Slist headers;
  for (const std::string& header : request.headers) headers.add(header);
  if (!request.token.empty()) headers.add("Authorization: Bearer " + request.token);
  headers.add("Expect:");  // no round trip before a body
  const auto set = [&](CURLoption option, auto value) { set_option(curl, option, value); };
  char reason[CURL_ERROR_SIZE] = "";
  set(CURLOPT_ERRORBUFFER, reason);
  set(CURLOPT_URL, url.c_str());
  const bool log_in = !state_->settings.endpoint_user.empty() && request.token.empty() &&
                      host_of(url) == host_of(state_->settings.endpoint);
  if (log_in) set(CURLOPT_USERPWD, state_->settings.endpoint_user.c_str());
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_FOLLOWLOCATION, 0L);
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_USERAGENT, state_->user_agent.c_str());
  const auto seconds = [&](int asked) {
    return static_cast<long>(asked > 0 ? asked : state_->settings.metadata_timeout);
  };
  set(CURLOPT_CONNECTTIMEOUT, seconds(request.connect_timeout));
  set(CURLOPT_LOW_SPEED_LIMIT, 1L);
  set(CURLOPT_LOW_SPEED_TIME, seconds(request.stall_timeout));
  exchange.low_speed_time = std::max(state_->settings.low_speed_time, request.stall_timeout);
  set(CURLOPT_BUFFERSIZE, 512L * 1024);
  set(CURLOPT_UPLOAD_BUFFERSIZE, 512L * 1024);
  set(CURLOPT_ACCEPT_ENCODING, "gzip");
  if (!request.decode) headers.add("Accept-Encoding: identity");
  if (!state_->certificates.empty()) set(CURLOPT_CAINFO, state_->certificates.c_str());
  set(CURLOPT_HEADERFUNCTION, take_header);
  set(CURLOPT_HEADERDATA, &exchange);
  set(CURLOPT_WRITEFUNCTION, take_body);
  set(CURLOPT_WRITEDATA, &exchange);
  set(CURLOPT_NOPROGRESS, 0L);
  set(CURLOPT_XFERINFOFUNCTION, ask_alive);
  set(CURLOPT_XFERINFODATA, &exchange);
  set_method(curl, request, exchange);
  set(CURLOPT_HTTPHEADER, headers.list);
  if (state_->settings.debug) note("HF_DEBUG: " + request.method + " " + without_secrets(url));

  const CURLcode result = curl_easy_perform(curl);
  long status = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  if (result != CURLE_OK) state_->renew();
  if (exchange.thrown != nullptr) std::rethrow_exception(exchange.thrown);
  HttpResponse response = std::move(exchange.response);
  response.status = static_cast<int>(status);
  response.url = url;
  if (exchange.error_cut) response.body.clear();
  if (exchange.too_large != nullptr) {
    response.failure = exchange.too_large;
  } else if (response.too_slow) {
    response.failure = "less than " + std::to_string(kLowSpeed) + " bytes per second for " +
                       std::to_string(exchange.low_speed_time) + " s";
  } else if (result != CURLE_OK && !response.stopped && !exchange.error_cut) {
    response.failure = *reason != '\0' ? reason : curl_easy_strerror(result);
    const bool distrust = result == CURLE_PEER_FAILED_VERIFICATION || result == CURLE_SSL_CACERT_BADFILE;
    response.permanent = distrust || result == CURLE_URL_MALFORMAT || result == CURLE_UNSUPPORTED_PROTOCOL;
    if (distrust) {
      response.failure += "; trusted certificates: " +
                          (state_->certificates.empty() ? std::string("none found") : state_->certificates) +
                          ", or set SSL_CERT_FILE";
    }
  }
  if (state_->settings.debug) note("HF_DEBUG: " + std::to_string(status) + " " + response.failure);
  return response;
}

std::string HttpResponse::header(const std::string& lower_case_name) const {
  const auto found = headers.find(lower_case_name);
  return found == headers.end() ? "" : found->second;
}

namespace {

struct Url {
  explicit Url(const std::string& text) : handle(curl_url()) {
    valid = curl_url_set(handle, CURLUPART_URL, text.c_str(), 0) == CURLUE_OK;
  }
  ~Url() { curl_url_cleanup(handle); }
  std::string part(CURLUPart which, unsigned flags = 0) const {
    char* text = nullptr;
    if (!valid || curl_url_get(handle, which, &text, flags) != CURLUE_OK) return "";
    std::string result(text);
    curl_free(text);
    return result;
  }
  CURLU* handle;
  bool valid;
};

}  // namespace

std::string without_user_info(const std::string& url, std::string* user_info) {
  Url parts(url);
  const std::string user = parts.part(CURLUPART_USER, CURLU_URLDECODE);
  const std::string password = parts.part(CURLUPART_PASSWORD, CURLU_URLDECODE);
  if (user_info != nullptr) *user_info = user.empty() && password.empty() ? "" : user + ":" + password;
  if (!parts.valid || url.find('@') == std::string::npos) return url;
  curl_url_set(parts.handle, CURLUPART_USER, nullptr, 0);
  curl_url_set(parts.handle, CURLUPART_PASSWORD, nullptr, 0);
  return parts.part(CURLUPART_URL);
}

std::string host_of(const std::string& url) {
  const Url parts(url);
  return ascii_lower(parts.part(CURLUPART_SCHEME)) + "://" + ascii_lower(parts.part(CURLUPART_HOST)) + ":" +
         parts.part(CURLUPART_PORT, CURLU_DEFAULT_PORT);
}

double seconds_until(const std::string& http_date) {
  const time_t then = curl_getdate(http_date.c_str(), nullptr);
  return then < 0 ? -1 : std::max(0.0, std::difftime(then, std::time(nullptr)));
}

std::string absolute_url(const std::string& base, const std::string& location) {
  Url url(base);
  if (!url.valid || curl_url_set(url.handle, CURLUPART_URL, location.c_str(), 0) != CURLUE_OK) return "";
  return url.part(CURLUPART_URL);
}

}  // namespace gptq::hub
