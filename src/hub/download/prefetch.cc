// Downloads ranges ahead of the main connection, a bounded number of them in memory.
#include "hub/download/prefetch.h"

#include <algorithm>
#include <utility>

#include <gptq/error.h>

#include "core/threads.h"

namespace gptq::hub {

namespace {

constexpr int64_t kPrefetchPiece = int64_t{8} << 20;
constexpr int64_t kAlone = int64_t{128} << 20;  // without helpers: bytes until the speed is measured again
constexpr double kFast = 200e6;                 // bytes per second: a connection this fast needs no helpers
constexpr int kMaxPrefetchFailures = 3;
constexpr auto kPollInterval = std::chrono::milliseconds(100);  // of session.should_continue, while waiting

}  // namespace

bool ConnectionBudget::try_acquire() {
  for (int count = count_; count > 0;) {
    if (count_.compare_exchange_weak(count, count - 1)) return true;
  }
  return false;
}

bool answers_range(const HttpResponse& response, int64_t begin, int64_t end, int64_t size) {
  const std::string encoding = response.header("content-encoding"), range = response.header("content-range");
  if (response.status != 206 || !(encoding.empty() || encoding == "identity")) return false;
  const std::string start = "bytes " + std::to_string(begin) + "-" + std::to_string(end - 1) + "/";
  return range == start + std::to_string(size) || range == start + "*";
}

Prefetch::Prefetch(const Session& session, TransferMonitor& monitor, ConnectionBudget& budget, const RepoFile& file)
    : session_(session), monitor_(monitor), budget_(budget), file_(file) {}

Prefetch::~Prefetch() { stop(); }  // waits for the threads

void Prefetch::stop() {
  stopped_ = true;
  const std::lock_guard lock(mutex_);
  for (const auto& [begin, piece] : pieces_) monitor_.add(file_.path, -static_cast<int64_t>(piece.bytes.size()));
  pieces_.clear();
  changed_.notify_all();
}

Prefetch::Next Prefetch::next(const std::string& url, int64_t position) {
  std::unique_lock lock(mutex_);
  if (stopped_ || file_.size < 2 * kPrefetchPiece) return {file_.size};
  url_ = url;
  position_ = position;
  changed_.notify_all();
  if (position < owned_) return {owned_};
  if (const auto found = pieces_.find(position); found != pieces_.end()) {
    while (!found->second.done) {
      changed_.wait_for(lock, kPollInterval);
      session_.throw_if_stopped();
    }
    const int64_t end = found->second.end;
    buffers_.push_back(std::exchange(taken_, std::move(found->second.bytes)));
    pieces_.erase(found);
    if (taken_.empty()) owned_ = end;
    return {end, taken_};
  }
  const Clock::time_point now = Clock::now();
  const bool first = owned_ == 0;
  if (!first)
    slow_ = static_cast<double>(owned_ - began_) < kFast * std::chrono::duration<double>(now - since_).count();
  claimed_ = std::max(claimed_, position);
  if (slow_) start_helpers();
  owned_ = claimed_ = std::min(file_.size, position + (first || running_ > 0 ? kPrefetchPiece : kAlone));
  began_ = position;
  since_ = now;
  return {owned_};
}

void Prefetch::start_helpers() {
  while (failures_ < kMaxPrefetchFailures && claimed_ + (running_ + 1) * kPrefetchPiece < file_.size &&
         budget_.try_acquire()) {
    try {
      threads_.push_back(start_thread([this] { help(); }));
    } catch (const Error&) {  // no more threads: continue with only the main connection
      budget_.release();
      return;
    }
    ++running_;
  }
}

void Prefetch::help() {
  HttpClient client(session_.settings);
  std::unique_lock lock(mutex_);
  while (!stopped_ && claimed_ < file_.size && failures_ < kMaxPrefetchFailures) {
    if (claimed_ >= position_ + (running_ + 2) * kPrefetchPiece) {  // far enough ahead of the main connection
      changed_.wait_for(lock, kPollInterval);
      continue;
    }
    const int64_t begin = claimed_, end = claimed_ = std::min(file_.size, begin + kPrefetchPiece);
    pieces_[begin].end = end;
    const std::string url = url_;
    std::string piece;
    if (!buffers_.empty()) {
      piece = std::move(buffers_.back());
      buffers_.pop_back();
    }
    lock.unlock();
    const bool whole = fetch(client, url, begin, end, piece);
    lock.lock();
    if (!whole || stopped_) {
      monitor_.add(file_.path, -static_cast<int64_t>(piece.size()));
      piece.clear();
      ++failures_;
    }
    if (!stopped_) pieces_[begin] = {end, true, std::move(piece)};
    changed_.notify_all();
  }
  --running_;
  budget_.release();
}

bool Prefetch::fetch(HttpClient& client, const std::string& url, int64_t begin, int64_t end, std::string& piece) {
  const auto size = static_cast<size_t>(end - begin);
  piece.clear();
  HttpRequest request;
  request.url = url;
  request.headers = {"Range: bytes=" + std::to_string(begin) + "-" + std::to_string(end - 1)};
  request.decode = false;
  request.token = session_.is_hub(url) ? session_.token.value : "";
  request.connect_timeout = request.stall_timeout = session_.settings.download_timeout;
  request.alive = [this] { return !stopped_ && session_.should_continue(); };
  request.sink = [&](const HttpResponse& response, std::string_view bytes) {
    if (piece.empty() && !answers_range(response, begin, end, file_.size)) return false;
    if (bytes.size() > size - piece.size()) return false;
    piece.append(bytes);
    monitor_.add(file_.path, static_cast<int64_t>(bytes.size()));
    return request.alive();
  };
  try {
    piece.reserve(size);
    client.send(request);
  } catch (...) {  // out of memory, or an exception of the progress callback: it also occurs in the main connection
  }
  return piece.size() == size;
}

}  // namespace gptq::hub
