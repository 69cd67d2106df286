// An HTTP/1.1 server on loopback for tests: two addresses, scripted faults, every request on record.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace gptq::testing {

using Headers = std::map<std::string, std::string>;  // names in lower case

// Two hosts of one server, as far as clients can tell: other address, other port.
enum class Host { kHub, kStorage };

struct Request {
  Host host = Host::kHub;
  std::string method;
  std::string target;  // as sent, with its query
  std::string path;    // percent-decoded, without the query
  std::map<std::string, std::string> query;
  Headers headers;
  std::string body;

  std::string header(const std::string& lower_case_name) const;  // "" when absent
};

struct Response {
  int status = 200;
  std::vector<std::pair<std::string, std::string>> headers;
  std::shared_ptr<const std::string> body;  // null: none
  int64_t begin = 0, end = -1;              // the part of `body` that is sent; end -1: all of it
  bool chunked = false;                     // no Content-Length
  // How the body goes out.
  int64_t cut_after = -1;        // the connection breaks behind so many bytes of it
  int64_t flip_at = -1;          // position in `body` of a wrong byte
  int64_t bytes_per_second = 0;  // 0: as fast as it goes
  int delay_ms = 0;              // before the first byte of the answer

  void set(const std::string& name, const std::string& value);  // replaces
  void remove(const std::string& name);
  void text(const std::string& content, const std::string& type = "application/json");
};

// What is to go wrong, with which requests. The first fault in the list that fits a request and has times left is
// used up by one.
struct Fault {
  std::string method = {};  // "": any
  std::string path = {};    // the decoded path contains this
  Host host = Host::kHub;
  int skip = 0;          // so many fitting requests pass first
  int times = 1;         // so many fail then; -1: all
  bool instead = false;  // `edit` gets a fresh Response, the request does not reach its handler
  std::function<void(const Request&, Response&)> edit = {};

  // Answers with a status of its own, as the Hub words it: X-Error-Code, X-Error-Message, {"error": ...}.
  static Fault refuse(const std::string& path, int status, const std::string& code = "",
                      const std::string& message = "", const Headers& headers = {});
  static Fault cut(const std::string& path, int64_t bytes);      // the connection breaks
  static Fault flip(const std::string& path, int64_t position);  // a wrong byte
  static Fault slow(const std::string& path, int64_t bytes_per_second);
  static Fault delay(const std::string& path, int milliseconds);
  static Fault whole(const std::string& path);  // 200 with everything for a Range
  static Fault without(const std::string& path, const std::string& header);
  static Fault redirect(const std::string& path, const std::string& location, int status = 307);
  static Fault body(const std::string& path, const std::string& content, const std::string& type = "application/json");

  Fault on(Host which) const;  // the same on another host
  Fault of(const std::string& verb) const;
  Fault repeated(int count) const;  // -1: always
  Fault after(int requests) const;
};

class HttpServer {
 public:
  using Handler = std::function<Response(const Request&)>;

  explicit HttpServer(Handler handler);  // listens on 127.0.0.1 and 127.0.0.2, ports that are free
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  std::string url(Host host) const;  // "http://127.0.0.1:PORT"

  void add_fault(const Fault& fault);
  void clear_faults();

  std::vector<Request> requests() const;  // finished and running ones, in order of arrival; bodies up to 1 MiB
  void clear_requests();
  int count(const std::string& method, const std::string& path_part, Host host = Host::kHub) const;  // "": any method

 private:
  struct Connection;
  void accept_on(int listener, Host host);
  void serve(Connection& connection);
  Response answer(const Request& request);
  void join_finished(bool all);

  Handler handler_;
  int listeners_[2] = {-1, -1};
  int ports_[2] = {0, 0};
  std::atomic<bool> stop_ = false;
  mutable std::mutex mutex_;  // guards faults_, requests_, connections_
  std::list<Fault> faults_;
  std::vector<Request> requests_;
  std::list<std::unique_ptr<Connection>> connections_;
  std::thread acceptors_[2];
};

// Of a query, a form or a path.
std::string url_decoded(const std::string& text, bool plus_is_space = false);
std::map<std::string, std::string> parse_query(const std::string& text);

}  // namespace gptq::testing
