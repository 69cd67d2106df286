// Plain sockets, one thread a connection; made for tests, but quick enough to measure downloads with.
#include "tests/hub/http_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstring>
#include <stdexcept>
#include <string_view>

namespace gptq::testing {

namespace {

constexpr size_t kKeptBody = size_t{1} << 20;
constexpr const char* kAddresses[] = {"127.0.0.1", "127.0.0.2"};

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

std::string trimmed(const std::string& text) {
  const size_t begin = text.find_first_not_of(" \t\r\n");
  return begin == std::string::npos ? "" : text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

// Buffered reading from a socket.
class Reader {
 public:
  explicit Reader(int socket) : socket_(socket) {}

  bool line(std::string& out) {
    out.clear();
    for (;;) {
      const size_t end = buffer_.find('\n', at_);
      if (end != std::string::npos) {
        out = buffer_.substr(at_, end - at_);
        at_ = end + 1;
        if (out.ends_with('\r')) out.pop_back();
        return true;
      }
      if (buffer_.size() - at_ > 65536 || !fill()) return false;
    }
  }

  bool bytes(size_t count, std::string& out) {
    while (count > 0) {
      if (at_ == buffer_.size() && !fill()) return false;
      const size_t now = std::min(count, buffer_.size() - at_);
      out.append(buffer_, at_, now);
      at_ += now, count -= now;
    }
    return true;
  }

 private:
  bool fill() {
    buffer_.erase(0, at_);
    at_ = 0;
    const size_t before = buffer_.size();
    buffer_.resize(before + 262144);
    const ssize_t got = ::recv(socket_, buffer_.data() + before, 262144, 0);
    buffer_.resize(before + (got > 0 ? static_cast<size_t>(got) : 0));
    return got > 0;
  }

  int socket_;
  std::string buffer_;
  size_t at_ = 0;
};

bool send_all(int socket, const char* data, size_t size) {
  while (size > 0) {
    const ssize_t sent = ::send(socket, data, size, MSG_NOSIGNAL);
    if (sent <= 0) return false;
    data += sent, size -= static_cast<size_t>(sent);
  }
  return true;
}

bool read_body(Reader& reader, const Request& request, std::string& body) {
  if (lower(request.header("transfer-encoding")) != "chunked") {
    const std::string length = request.header("content-length");
    return length.empty() || reader.bytes(std::stoull(length), body);
  }
  for (std::string line;;) {
    if (!reader.line(line)) return false;
    const size_t size = std::stoull(line, nullptr, 16);
    if (size > 0 && !reader.bytes(size, body)) return false;
    if (!reader.line(line)) return false;  // behind the chunk, or behind the last one
    if (size == 0) return true;
  }
}

const char* reason_of(int status) {
  switch (status) {
    case 200: return "OK";
    case 206: return "Partial Content";
    case 302: return "Found";
    case 307: return "Temporary Redirect";
    case 404: return "Not Found";
    default: return "Status";
  }
}

}  // namespace

std::string url_decoded(const std::string& text, bool plus_is_space) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && std::isxdigit(static_cast<unsigned char>(text[i + 1])) != 0) {
      out += static_cast<char>(std::stoi(text.substr(i + 1, 2), nullptr, 16));
      i += 2;
    } else {
      out += plus_is_space && text[i] == '+' ? ' ' : text[i];
    }
  }
  return out;
}

std::map<std::string, std::string> parse_query(const std::string& text) {
  std::map<std::string, std::string> query;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('&', begin), text.size());
    const std::string pair = text.substr(begin, end - begin);
    const size_t equals = std::min(pair.find('='), pair.size());
    query[url_decoded(pair.substr(0, equals), true)] =
        url_decoded(equals < pair.size() ? pair.substr(equals + 1) : "", true);
    begin = end + 1;
  }
  return query;
}

std::string Request::header(const std::string& lower_case_name) const {
  const auto found = headers.find(lower_case_name);
  return found == headers.end() ? "" : found->second;
}

void Response::set(const std::string& name, const std::string& value) {
  remove(name);
  headers.emplace_back(name, value);
}

void Response::remove(const std::string& name) {
  std::erase_if(headers, [&](const auto& header) { return lower(header.first) == lower(name); });
}

void Response::text(const std::string& content, const std::string& type) {
  body = std::make_shared<const std::string>(content);
  begin = 0, end = -1;
  set("Content-Type", type);
}

Fault Fault::refuse(const std::string& path, int status, const std::string& code, const std::string& message,
                    const Headers& headers) {
  Fault fault{.path = path, .instead = true};
  fault.edit = [=](const Request&, Response& response) {
    response.status = status;
    if (!code.empty()) response.set("X-Error-Code", code);
    if (!message.empty()) response.set("X-Error-Message", message);
    for (const auto& [name, value] : headers) response.set(name, value);
    if (!message.empty()) response.text("{\"error\":\"" + message + "\"}");
  };
  return fault;
}

Fault Fault::cut(const std::string& path, int64_t bytes) {
  return {.path = path, .edit = [=](const Request&, Response& response) { response.cut_after = bytes; }};
}

Fault Fault::flip(const std::string& path, int64_t position) {
  return {.path = path, .edit = [=](const Request&, Response& response) { response.flip_at = position; }};
}

Fault Fault::slow(const std::string& path, int64_t bytes_per_second) {
  return {.path = path, .edit = [=](const Request&, Response& r) { r.bytes_per_second = bytes_per_second; }};
}

Fault Fault::delay(const std::string& path, int milliseconds) {
  return {.path = path, .edit = [=](const Request&, Response& response) { response.delay_ms = milliseconds; }};
}

Fault Fault::whole(const std::string& path) {
  return {.path = path, .edit = [](const Request&, Response& response) {
            if (response.status != 206 && response.status != 416) return;
            response.status = 200;
            response.begin = 0, response.end = -1;
            response.remove("Content-Range");
          }};
}

Fault Fault::without(const std::string& path, const std::string& header) {
  return {.path = path, .edit = [=](const Request&, Response& response) { response.remove(header); }};
}

Fault Fault::redirect(const std::string& path, const std::string& location, int status) {
  return refuse(path, status, "", "", {{"Location", location}});
}

Fault Fault::body(const std::string& path, const std::string& content, const std::string& type) {
  return {
      .path = path, .instead = true, .edit = [=](const Request&, Response& response) { response.text(content, type); }};
}

Fault Fault::on(Host which) const {
  Fault copy = *this;
  copy.host = which;
  return copy;
}

Fault Fault::of(const std::string& verb) const {
  Fault copy = *this;
  copy.method = verb;
  return copy;
}

Fault Fault::repeated(int count) const {
  Fault copy = *this;
  copy.times = count;
  return copy;
}

Fault Fault::after(int requests) const {
  Fault copy = *this;
  copy.skip = requests;
  return copy;
}

struct HttpServer::Connection {
  int socket = -1;
  Host host = Host::kHub;
  std::thread thread;
  std::atomic<bool> finished = false;
};

HttpServer::HttpServer(Handler handler) : handler_(std::move(handler)) {
  for (const Host host : {Host::kHub, Host::kStorage}) {
    const int i = static_cast<int>(host);
    listeners_[i] = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    ::inet_pton(AF_INET, kAddresses[i], &address.sin_addr);
    socklen_t size = sizeof(address);
    if (listeners_[i] < 0 || ::bind(listeners_[i], reinterpret_cast<sockaddr*>(&address), size) != 0 ||
        ::listen(listeners_[i], 128) != 0 ||
        ::getsockname(listeners_[i], reinterpret_cast<sockaddr*>(&address), &size) != 0) {
      throw std::runtime_error(std::string("the test server cannot listen on ") + kAddresses[i] + ": " +
                               std::strerror(errno));
    }
    ports_[i] = ntohs(address.sin_port);
    acceptors_[i] = std::thread([this, i, host] { accept_on(listeners_[i], host); });
  }
}

HttpServer::~HttpServer() {
  stop_ = true;
  for (const int listener : listeners_) ::shutdown(listener, SHUT_RDWR);
  for (std::thread& acceptor : acceptors_) acceptor.join();
  for (const int listener : listeners_) ::close(listener);
  join_finished(true);
}

std::string HttpServer::url(Host host) const {
  const int i = static_cast<int>(host);
  return std::string("http://") + kAddresses[i] + ":" + std::to_string(ports_[i]);
}

void HttpServer::add_fault(const Fault& fault) {
  const std::lock_guard lock(mutex_);
  faults_.push_back(fault);
}

void HttpServer::clear_faults() {
  const std::lock_guard lock(mutex_);
  faults_.clear();
}

std::vector<Request> HttpServer::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

void HttpServer::clear_requests() {
  const std::lock_guard lock(mutex_);
  requests_.clear();
}

int HttpServer::count(const std::string& method, const std::string& path_part, Host host) const {
  const std::lock_guard lock(mutex_);
  return static_cast<int>(std::count_if(requests_.begin(), requests_.end(), [&](const Request& request) {
    return (method.empty() || request.method == method) && request.host == host &&
           request.path.find(path_part) != std::string::npos;
  }));
}

void HttpServer::accept_on(int listener, Host host) {
  while (!stop_) {
    const int socket = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (socket < 0) continue;
    const int one = 1;
    ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    join_finished(false);
    const std::lock_guard lock(mutex_);
    auto& connection = *connections_.emplace_back(std::make_unique<Connection>());
    connection.socket = socket;
    connection.host = host;
    connection.thread = std::thread([this, &connection] {
      serve(connection);
      connection.finished = true;
    });
  }
}

void HttpServer::join_finished(bool all) {
  std::list<std::unique_ptr<Connection>> leaving;
  {
    const std::lock_guard lock(mutex_);
    for (auto it = connections_.begin(); it != connections_.end();) {
      const auto next = std::next(it);
      if (all) ::shutdown((*it)->socket, SHUT_RDWR);
      if (all || (*it)->finished) leaving.splice(leaving.end(), connections_, it);
      it = next;
    }
  }
  for (auto& connection : leaving) {
    connection->thread.join();
    ::close(connection->socket);
  }
}

Response HttpServer::answer(const Request& request) {
  Fault fault;
  {
    const std::lock_guard lock(mutex_);
    requests_.push_back(request);
    if (requests_.back().body.size() > kKeptBody) requests_.back().body.resize(kKeptBody);
    for (Fault& candidate : faults_) {
      if (candidate.times == 0 || candidate.host != request.host ||
          (!candidate.method.empty() && candidate.method != request.method) ||
          request.path.find(candidate.path) == std::string::npos) {
        continue;
      }
      if (candidate.skip > 0) {
        --candidate.skip;
        continue;
      }
      if (candidate.times > 0) --candidate.times;
      fault = candidate;
      break;
    }
  }
  Response response;
  if (!fault.instead) {
    try {
      response = handler_(request);
    } catch (const std::exception& error) {
      response = {};
      response.status = 500;
      response.text(std::string("the test server failed: ") + error.what(), "text/plain");
    }
  }
  if (fault.edit) fault.edit(request, response);
  return response;
}

namespace {

// The bytes of the body, with what is wrong with them. False when the connection is to end.
bool send_body(int socket, const Response& response, int64_t end, const std::atomic<bool>& stop) {
  const int64_t last = response.cut_after < 0 ? end : std::min(end, response.begin + response.cut_after);
  const int64_t step = response.bytes_per_second > 0 ? std::max<int64_t>(1, response.bytes_per_second / 50) : 1 << 20;
  std::string copy;
  for (int64_t at = response.begin; at < last && !stop;) {
    const int64_t count = std::min(step, last - at);
    const char* data = response.body->data() + at;
    if (response.flip_at >= at && response.flip_at < at + count) {
      copy.assign(data, static_cast<size_t>(count));
      copy[static_cast<size_t>(response.flip_at - at)] ^= 1;
      data = copy.data();
    }
    if (response.chunked) {
      char head[24];
      const int size = std::snprintf(head, sizeof(head), "%zx\r\n", static_cast<size_t>(count));
      if (!send_all(socket, head, static_cast<size_t>(size))) return false;
    }
    if (!send_all(socket, data, static_cast<size_t>(count))) return false;
    if (response.chunked && !send_all(socket, "\r\n", 2)) return false;
    at += count;
    if (response.bytes_per_second > 0) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  if (stop || response.cut_after >= 0) return false;
  return !response.chunked || send_all(socket, "0\r\n\r\n", 5);
}

}  // namespace

void HttpServer::serve(Connection& connection) {
  Reader reader(connection.socket);
  for (std::string line; !stop_ && reader.line(line);) {
    Request request;
    request.host = connection.host;
    const size_t first = line.find(' '), second = line.rfind(' ');
    if (first == std::string::npos || second <= first) break;
    request.method = line.substr(0, first);
    request.target = line.substr(first + 1, second - first - 1);
    const size_t question = std::min(request.target.find('?'), request.target.size());
    request.path = url_decoded(request.target.substr(0, question));
    if (question < request.target.size()) request.query = parse_query(request.target.substr(question + 1));
    while (reader.line(line) && !line.empty()) {
      const size_t colon = line.find(':');
      if (colon != std::string::npos) request.headers[lower(line.substr(0, colon))] = trimmed(line.substr(colon + 1));
    }
    static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
    if (!request.header("expect").empty() && !send_all(connection.socket, kContinue.data(), kContinue.size())) break;
    if (!read_body(reader, request, request.body)) break;

    const Response response = answer(request);
    for (int slept = 0; slept < response.delay_ms && !stop_; slept += 10) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    const int64_t whole = response.body == nullptr ? 0 : static_cast<int64_t>(response.body->size());
    const int64_t end = response.end < 0 ? whole : response.end;
    std::string head = "HTTP/1.1 " + std::to_string(response.status) + " " + reason_of(response.status) + "\r\n";
    for (const auto& [name, value] : response.headers) head += name + ": " + value + "\r\n";
    const bool bodiless = response.status == 204 || response.status == 304;
    if (response.chunked) {
      head += "Transfer-Encoding: chunked\r\n";
    } else if (!bodiless) {
      head += "Content-Length: " + std::to_string(end - response.begin) + "\r\n";
    }
    head += "\r\n";
    if (!send_all(connection.socket, head.data(), head.size())) break;
    if (request.method != "HEAD" && !bodiless && !send_body(connection.socket, response, end, stop_)) break;
    if (lower(request.header("connection")) == "close") break;
  }
  ::shutdown(connection.socket, SHUT_RDWR);
}

}  // namespace gptq::testing
