// The loop around GET: resume, redirect, renew, repeat, verify.
#include "hub/download.h"

#include <algorithm>
#include <charconv>

#include "hub/partial.h"

namespace gptq::hub {

namespace {

constexpr int kMostFailures = 5;  // in a row without a byte
constexpr int kMostRedirects = 10;
constexpr double kPause = 1;  // seconds after a failure

struct ContentRange {  // "bytes 100-199/200", "bytes */200"; -1: not said
  int64_t first = -1, total = -1;

  explicit ContentRange(const std::string& header) {
    const auto number_at = [&](size_t at, int64_t& number) {
      if (at <= header.size()) std::from_chars(header.data() + at, header.data() + header.size(), number);
    };
    if (header.starts_with("bytes ")) number_at(6, first);
    if (const size_t slash = header.find('/'); slash != std::string::npos) number_at(slash + 1, total);
  }
};

class Download {
 public:
  Download(const Session& session, HttpClient& client, Meter& meter, const FileName& name, const RepoFile& file,
           const fs::path& partial)
      : session_(session),
        client_(client),
        meter_(meter),
        name_(name),
        file_(file),
        partial_(partial, file.etag(), file.size, [&](int64_t bytes) {
          session.throw_if_stopped();
          meter.add(file.path, bytes);
        }) {}

  void run() {
    while (!is_verified()) {
      if (address_.url.empty() && !partial_.complete()) find_address();
      while (!partial_.complete()) fetch();
    }
    partial_.sync();
  }

 private:
  void find_address() {
    address_ = resolve(session_, client_, name_);
    if (address_.commit != name_.commit || address_.etag != file_.etag() ||
        (address_.size >= 0 && address_.size != file_.size)) {
      throw Error(ErrorKind::kVerification, name_.attempt().doing +
                                                ": the Hub's listing and the file's own headers disagree (" +
                                                std::to_string(file_.size) + " bytes with hash " + file_.etag() +
                                                ", and " + std::to_string(address_.size) + " bytes with hash " +
                                                address_.etag + "); nothing was fetched; try again later");
    }
  }

  // One GET and what follows from its answer.
  void fetch() {
    const int64_t before = partial_.position();
    const HttpResponse response = get();
    session_.throw_if_stopped();
    if (partial_.complete()) return;
    if (partial_.position() > before) failures_ = redirects_ = 0;  // something arrived
    const int status = response.status;
    const bool answered = response.failure.empty();
    if (response.is_redirect()) return follow(response);
    if (answered && status == 416) return start_over_after(response);
    const bool refused = answered && status >= 400 && status < 500 && !may_pass(response);
    if (refused && session_.is_hub(address_.url)) throw_explained(response);
    pause(response);
    if (refused) find_address();  // a signed address that has expired
  }

  HttpResponse get() {
    const int64_t from = ranges_ ? partial_.position() : 0;
    if (from == 0) start_over();
    HttpRequest request;
    request.url = address_.url;
    request.decode = false;
    request.token = session_.is_hub(address_.url) ? session_.token.value : "";
    request.connect_timeout = request.stall_timeout = session_.settings.download_timeout;
    request.alive = session_.keep_going;
    if (from > 0) request.headers.push_back("Range: bytes=" + std::to_string(from) + "-");
    bool first = true;
    request.sink = [&](const HttpResponse& response, std::string_view bytes) {
      if (first && !starts_right(response, from)) return false;
      first = false;
      partial_.append(bytes);
      meter_.add(file_.path, static_cast<int64_t>(bytes.size()));
      return session_.keep_going();
    };
    return client_.send(request);
  }

  // Before the first byte of an answer is kept: does it begin where we stand?
  bool starts_right(const HttpResponse& response, int64_t from) {
    if (response.status != 206) {
      start_over();
      return true;
    }
    const ContentRange range(response.header("content-range"));
    const std::string encoding = response.header("content-encoding");
    if (from > 0 && range.first == from && (range.total < 0 || range.total == file_.size) &&
        (encoding.empty() || encoding == "identity")) {
      return true;
    }
    ranges_ = false;  // this server does not mean what we mean
    return false;
  }

  void start_over() {
    meter_.add(file_.path, -partial_.position());
    partial_.start_over();
  }

  void start_over_after(const HttpResponse& response) {
    start_over();
    pause(response);
  }

  void follow(const HttpResponse& response) {
    const std::string next = absolute_url(address_.url, response.header("location"));
    if (next.empty() || ++redirects_ > kMostRedirects) throw_explained(response);
    address_.url = next;
  }

  void pause(const HttpResponse& response) {
    const double asked = seconds_to_wait(response);
    if (++failures_ > kMostFailures || asked > kLongestAsked || response.lasting) throw_explained(response);
    session_.wait(std::max(kPause, asked));
  }

  // An answer that ends early without a failure of its own is a broken connection too.
  [[noreturn]] void throw_explained(HttpResponse response) const {
    response.tries = std::max(1, failures_);
    if (response.status < 300 && response.failure.empty()) {
      response.failure = "the answer ended after " + std::to_string(partial_.position()) + " of " +
                         std::to_string(file_.size) + " bytes";
    }
    if (response.status >= 400 && response.status < 500 && !session_.is_hub(address_.url)) {
      throw Error(ErrorKind::kNetwork, name_.attempt().doing + ": the storage at " + host_of(address_.url) +
                                           " refuses the address that the Hub gave (status " +
                                           std::to_string(response.status) +
                                           "); what arrived is kept: run the same command again later");
    }
    throw explain(response, name_.attempt(), session_.settings, session_.token);
  }

  bool is_verified() {
    if (!partial_.complete()) return false;
    const std::string found = partial_.hex();
    if (found == file_.etag()) return true;
    const bool again = partial_.resumed();  // bytes of an earlier run may be at fault
    if (again) {
      start_over();
      return false;
    }
    partial_.discard();
    throw Error(ErrorKind::kVerification, name_.attempt().doing + ": found the hash " + found + ", expected " +
                                              file_.etag() +
                                              "; what arrived was damaged on the way and is deleted: try again, or "
                                              "look at the network and at HF_ENDPOINT");
  }

  const Session& session_;
  HttpClient& client_;
  Meter& meter_;
  const FileName& name_;
  const RepoFile& file_;
  Partial partial_;
  FileAddress address_;
  int failures_ = 0, redirects_ = 0;
  bool ranges_ = true;
};

}  // namespace

void download(const Session& session, HttpClient& client, Meter& meter, const FileName& name, const RepoFile& file,
              const fs::path& partial) {
  Download(session, client, meter, name, file, partial).run();
}

}  // namespace gptq::hub
