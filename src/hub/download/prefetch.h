// Additional connections for one large file: they download later ranges while the main connection works.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "hub/http/session.h"
#include "hub/http/transfer_monitor.h"
#include "hub/repository/listing.h"

namespace gptq::hub {

// Connections that an operation may still open.
class ConnectionBudget {
 public:
  explicit ConnectionBudget(int count) : count_(count) {}
  bool try_acquire();
  void release() { ++count_; }

 private:
  std::atomic<int> count_;
};

// True for a 206 response with exactly the bytes [begin, end) of a file of `size` bytes, not encoded.
bool answers_range(const HttpResponse& response, int64_t begin, int64_t end, int64_t size);

// Storage servers limit the speed of a connection. The main connection takes bytes in the order of the file and handles
// all failures. Helper connections are best effort: a failed range falls back to the main connection.
class Prefetch {
 public:
  Prefetch(const Session& session, TransferMonitor& monitor, ConnectionBudget& budget, const RepoFile& file);
  Prefetch(const Prefetch&) = delete;
  Prefetch& operator=(const Prefetch&) = delete;
  ~Prefetch();

  // Next step of the main connection, which needs the byte at `position`. `bytes` are already counted by the monitor
  // and valid until the next call; when empty, the caller downloads up to `end` itself, from `url`. Waits for a helper
  // that is downloading this range; throws Error(kInterrupted).
  struct Next {
    int64_t end = 0;
    std::string_view bytes = {};
  };
  Next next(const std::string& url, int64_t position);

  void stop();  // stops the helpers for good

 private:
  struct Piece {
    int64_t end = 0;
    bool done = false;
    std::string bytes = {};  // "" after a failure
  };

  using Clock = std::chrono::steady_clock;

  void start_helpers();  // requires mutex_
  void help();
  // Downloads into `piece`; false on failure.
  bool fetch(HttpClient& client, const std::string& url, int64_t begin, int64_t end, std::string& piece);

  const Session& session_;
  TransferMonitor& monitor_;
  ConnectionBudget& budget_;
  const RepoFile& file_;
  std::atomic<bool> stopped_ = false;
  std::mutex mutex_;  // guards everything below
  std::condition_variable changed_;
  std::string url_;
  std::map<int64_t, Piece> pieces_;   // ranges of the helpers, by their first byte
  std::string taken_;                 // the owner's
  std::vector<std::string> buffers_;  // reused: page faults of fresh memory cost as much as the network
  int64_t position_ = 0;              // of the main connection
  int64_t owned_ = 0;                 // end of the main connection's current range
  int64_t began_ = 0;                 // start of the main connection's last range
  Clock::time_point since_;           // and when
  bool slow_ = false;                 // was it?
  int64_t claimed_ = 0;               // all bytes before are assigned
  int running_ = 0, failures_ = 0;    // running helpers, failed ranges
  std::vector<std::jthread> threads_;
};

}  // namespace gptq::hub
