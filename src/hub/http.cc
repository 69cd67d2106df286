// libcurl's easy interface behind plain structs.
#include "hub/http.h"

#include <curl/curl.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <ctime>
#include <exception>

#include <gptq/error.h>

#include "core/check.h"
#include "core/log.h"

namespace gptq::hub {

namespace {

constexpr size_t kLargestBody = size_t{64} << 20;

std::string lower_header(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(), [](unsigned char c) { return std::tolower(c); });
  return result;
}

std::string trim_header(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == text.npos) return "";
  return std::string(text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1));
}

// Distributions keep the certificates of the web at different places, and the package runs on all of them.
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

// One exchange in the making: what libcurl's callbacks share.
struct Exchange {
  const HttpRequest* request;
  CURL* curl;
  HttpResponse response = {};
  bool too_large = false;
  std::exception_ptr thrown = nullptr;  // exceptions may not cross libcurl
};

size_t take_header(char* data, size_t size, size_t count, void* user) {
  HttpResponse& response = static_cast<Exchange*>(user)->response;
  const std::string_view line(data, size * count);
  if (line.starts_with("HTTP/")) response.headers.clear();  // an answer behind "100 Continue" or a proxy's
  const size_t colon = line.find(':');
  if (colon != line.npos && !line.starts_with("HTTP/")) {
    response.headers[lower_header(trim_header(line.substr(0, colon)))] = trim_header(line.substr(colon + 1));
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
  if (exchange.response.body.size() + bytes.size() > kLargestBody) {
    exchange.too_large = true;
    return 0;
  }
  exchange.response.body += bytes;
  return bytes.size();
}

int ask_alive(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  auto& exchange = *static_cast<Exchange*>(user);
  try {
    if (exchange.request->alive()) return 0;
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

// The query of a signed address is as good as a password.
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
};

HttpClient::HttpClient(const Settings& settings) : state_(std::make_unique<State>()) {
  static const std::string library = [] {  // once: curl_version() writes into memory of its own
    curl_global_init(CURL_GLOBAL_DEFAULT);
    return curl_version();
  }();
  state_->settings = settings;
  state_->user_agent = std::string("gptq/") + GPTQ_VERSION;
  if (settings.telemetry) state_->user_agent += "; " + library;
  state_->certificates = certificates();
  state_->curl = curl_easy_init();
  CHECK(state_->curl != nullptr, "libcurl gives handles");
}
HttpClient::HttpClient(HttpClient&&) noexcept = default;
HttpClient::~HttpClient() {
  if (state_ != nullptr) curl_easy_cleanup(state_->curl);
}

const Settings& HttpClient::settings() const { return state_->settings; }

HttpResponse HttpClient::send(const HttpRequest& request) {
  CURL* curl = state_->curl;
  curl_easy_reset(curl);
  Exchange exchange{&request, curl};
  Slist headers;
  for (const std::string& header : request.headers) headers.add(header);
  if (!request.token.empty()) headers.add("Authorization: Bearer " + request.token);
  headers.add("Expect:");  // no round trip before a body
  const auto set = [&](CURLoption option, auto value) {
    CHECK(curl_easy_setopt(curl, option, value) == CURLE_OK, "libcurl knows its options");
  };
  char reason[CURL_ERROR_SIZE] = "";
  set(CURLOPT_ERRORBUFFER, reason);
  set(CURLOPT_URL, request.url.c_str());
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
  set(CURLOPT_BUFFERSIZE, 512L * 1024);
  set(CURLOPT_UPLOAD_BUFFERSIZE, 512L * 1024);
  set(CURLOPT_ACCEPT_ENCODING, "gzip");
  if (!request.decode) headers.add("Accept-Encoding: identity");
  if (!state_->certificates.empty()) set(CURLOPT_CAINFO, state_->certificates.c_str());
  set(CURLOPT_HEADERFUNCTION, take_header);
  set(CURLOPT_HEADERDATA, &exchange);
  set(CURLOPT_WRITEFUNCTION, take_body);
  set(CURLOPT_WRITEDATA, &exchange);
  if (request.alive) {
    set(CURLOPT_NOPROGRESS, 0L);
    set(CURLOPT_XFERINFOFUNCTION, ask_alive);
    set(CURLOPT_XFERINFODATA, &exchange);
  }
  if (request.method == "HEAD") {
    set(CURLOPT_NOBODY, 1L);
  } else if (request.source != nullptr) {
    CHECK(request.source->seek(0), "every source has a beginning");
    set(CURLOPT_UPLOAD, 1L);
    set(CURLOPT_READFUNCTION, give_body);
    set(CURLOPT_READDATA, &exchange);
    set(CURLOPT_SEEKFUNCTION, seek_body);
    set(CURLOPT_SEEKDATA, &exchange);
    set(CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(request.source->size));
    set(CURLOPT_CUSTOMREQUEST, request.method.c_str());
  } else if (request.method != "GET") {
    set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
    set(CURLOPT_POSTFIELDS, request.body.c_str());
    set(CURLOPT_CUSTOMREQUEST, request.method.c_str());
  }
  set(CURLOPT_HTTPHEADER, headers.list);
  if (state_->settings.debug) note("HF_DEBUG: " + request.method + " " + without_secrets(request.url));

  const CURLcode result = curl_easy_perform(curl);
  if (exchange.thrown != nullptr) std::rethrow_exception(exchange.thrown);
  HttpResponse response = std::move(exchange.response);
  long status = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  response.status = static_cast<int>(status);
  response.url = request.url;
  if (exchange.too_large) {
    response.failure = "the answer is larger than 64 MiB";
  } else if (result != CURLE_OK && !response.stopped) {
    response.failure = *reason != '\0' ? reason : curl_easy_strerror(result);
    const bool distrust = result == CURLE_PEER_FAILED_VERIFICATION || result == CURLE_SSL_CACERT_BADFILE;
    response.lasting = distrust || result == CURLE_URL_MALFORMAT || result == CURLE_UNSUPPORTED_PROTOCOL;
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

std::string host_of(const std::string& url) {
  const Url parts(url);
  return lower_header(parts.part(CURLUPART_SCHEME)) + "://" + lower_header(parts.part(CURLUPART_HOST)) + ":" +
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
