// The download loop: resume, redirect, renew signed addresses, retry, verify.
#include "hub/download/download.h"

#include <algorithm>

#include "hub/download/partial_file.h"

namespace gptq::hub {

namespace {

constexpr int kMaxFailures = 5;  // consecutive failures without a byte received
constexpr double kPause = 1;     // seconds after a failure

class Download {
 public:
  Download(const Session& session, HttpClient& client, TransferMonitor& monitor, ConnectionBudget& budget,
           const FileName& name, const RepoFile& file, const fs::path& partial)
      : session_(session),
        client_(client),
        monitor_(monitor),
        name_(name),
        file_(file),
        partial_(partial, file.etag(), file.size,
                 [&](int64_t bytes) {
                   session.throw_if_stopped();
                   monitor.add(file.path, bytes);
                 }),
        prefetch_(session, monitor, budget, file) {}

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
      throw Error(ErrorKind::kVerification, name_.context().action +
                                                ": the Hub's listing and the file's own headers disagree (" +
                                                std::to_string(file_.size) + " bytes with hash " + file_.etag() +
                                                ", and " + std::to_string(address_.size) + " bytes with hash " +
                                                address_.etag + "); nothing was downloaded; try again later");
    }
  }

  // Takes bytes from a helper connection, or sends one GET and handles its response.
  void fetch() {
    if (!ranges_ && partial_.position() > 0) start_over();
    const int64_t before = partial_.position();
    const Prefetch::Next next = prefetch_.next(address_.url, before);
    if (!next.bytes.empty()) {
      failures_ = redirects_ = 0;
      return partial_.append(next.bytes);
    }
    const HttpResponse response = get(next.end);
    session_.throw_if_stopped();
    if (partial_.position() == (response.status == 206 ? next.end : file_.size)) return;
    if (partial_.position() > before && !response.too_slow) failures_ = redirects_ = 0;  // something arrived
    const int status = response.status;
    const bool answered = response.failure.empty();
    if (response.is_redirect()) return follow(response);
    if (answered && status == 416) return start_over_after(response);
    const bool refused = answered && status >= 400 && status < 500 && !is_transient(response);
    if (refused && session_.is_hub(address_.url)) throw_explained(response);
    pause(response);
    const bool unreachable = response.status == 0 && !session_.is_hub(address_.url);
    // a signed address that has expired, or the storage host is unreachable
    if (refused || unreachable) find_address();
  }

  HttpResponse get(int64_t end) {
    const int64_t from = partial_.position();
    HttpRequest request;
    request.url = address_.url;
    request.decode = false;
    request.token = session_.is_hub(address_.url) ? session_.token.value : "";
    request.connect_timeout = request.stall_timeout = session_.settings.download_timeout;
    request.alive = session_.should_continue;
    const std::string last = end < file_.size ? std::to_string(end - 1) : "";
    if (from > 0 || !last.empty()) request.headers.push_back("Range: bytes=" + std::to_string(from) + "-" + last);
    bool first = true;
    request.sink = [&](const HttpResponse& response, std::string_view bytes) {
      if (first && !starts_right(response, from, end)) return false;
      first = false;
      if (response.status == 206 && static_cast<int64_t>(bytes.size()) > end - partial_.position())
        return distrust_ranges();
      partial_.append(bytes);
      monitor_.add(file_.path, static_cast<int64_t>(bytes.size()));
      return session_.should_continue();
    };
    return client_.send(request);
  }

  // Called before the first byte of a response is stored: whether it starts at the current position.
  bool starts_right(const HttpResponse& response, int64_t from, int64_t end) {
    if (response.status != 206) {
      start_over();
      return true;
    }
    return answers_range(response, from, end, file_.size) || distrust_ranges();
  }

  bool distrust_ranges() {  // this server does not implement ranges correctly
    prefetch_.stop();
    return ranges_ = false;
  }

  void start_over() {
    prefetch_.stop();
    monitor_.add(file_.path, -partial_.position());
    partial_.start_over();
  }

  void start_over_after(const HttpResponse& response) {
    start_over();
    pause(response);
  }

  void follow(const HttpResponse& response) {
    const std::string next = absolute_url(address_.url, response.header("location"));
    if (next.empty() || ++redirects_ > kMaxRedirects) throw_explained(response);
    address_.url = next;
  }

  void pause(const HttpResponse& response) {
    const double asked = seconds_to_wait(response);
    if (++failures_ > kMaxFailures || asked > kMaxRequestedWait || response.permanent) throw_explained(response);
    session_.wait(std::max(kPause, asked));
  }

  // A response that ends early without an error of its own counts as a broken connection.
  [[noreturn]] void throw_explained(HttpResponse response) const {
    response.tries = std::max(1, failures_);
    if (response.status < 300 && response.failure.empty()) {
      response.failure = "the answer ended after " + std::to_string(partial_.position()) + " of " +
                         std::to_string(file_.size) + " bytes";
    }
    if (response.status >= 400 && response.status < 500 && !session_.is_hub(address_.url)) {
      throw Error(ErrorKind::kNetwork, name_.context().action + ": the storage at " + host_of(address_.url) +
                                           " rejected the URL that the Hub returned (status " +
                                           std::to_string(response.status) +
                                           "); the partial download is kept: run the same command again later");
    }
    throw explain(response, name_.context(), session_.settings, session_.token);
  }

  bool is_verified() {
    if (!partial_.complete()) return false;
    const std::string found = partial_.hex();
    if (found == file_.etag()) return true;
    const bool again = partial_.resumed();  // the bytes of an earlier run may be wrong
    if (again) {
      start_over();
      return false;
    }
    partial_.discard();
    throw Error(ErrorKind::kVerification, name_.context().action + ": found the hash " + found + ", expected " +
                                              file_.etag() +
                                              "; the download was corrupted and has been deleted: try again, or "
                                              "check the network and HF_ENDPOINT");
  }

  const Session& session_;
  HttpClient& client_;
  TransferMonitor& monitor_;
  const FileName& name_;
  const RepoFile& file_;
  PartialFile partial_;
  Prefetch prefetch_;
  FileAddress address_;
  int failures_ = 0, redirects_ = 0;
  bool ranges_ = true;
};

}  // namespace

void download(const Session& session, HttpClient& client, TransferMonitor& monitor, ConnectionBudget& budget,
              const FileName& name, const RepoFile& file, const fs::path& partial) {
  Download(session, client, monitor, budget, name, file, partial).run();
}

}  // namespace gptq::hub
