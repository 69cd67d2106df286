// Further connections for one large file: they fetch what comes later while its own connection is at work.
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

// Connections that an operation may open beyond those at work.
class ConnectionBudget {
 public:
  explicit ConnectionBudget(int count) : count_(count) {}
  bool try_acquire();
  void release() { ++count_; }

 private:
  std::atomic<int> count_;
};

// Is this 206 the bytes [begin, end) of a file of `size` bytes, as they are?
bool answers_range(const HttpResponse& response, int64_t begin, int64_t end, int64_t size);

// Storages give each connection only so much. The owner takes bytes in the file's order and deals with everything that
// goes wrong; helpers only help: one that meets any trouble leaves its piece to the owner.
class Prefetch {
 public:
  Prefetch(const Session& session, TransferMonitor& monitor, ConnectionBudget& budget, const RepoFile& file);
  Prefetch(const Prefetch&) = delete;
  Prefetch& operator=(const Prefetch&) = delete;
  ~Prefetch();

  // What the owner, who needs the byte at `position` next, gets: bytes, which the meter has counted already and which
  // stay until the next call, or none, and then it fetches up to `end` itself, from `url`. Waits for a helper that is
  // at it; throws Error(kInterrupted).
  struct Next {
    int64_t end = 0;
    std::string_view bytes = {};
  };
  Next next(const std::string& url, int64_t position);

  void stop();  // from now on the owner is alone

 private:
  struct Piece {
    int64_t end = 0;
    bool done = false;
    std::string bytes = {};  // "" when it went wrong
  };

  using Clock = std::chrono::steady_clock;

  void start_helpers();  // mutex_ is held
  void help();
  // Into `piece`; false when it went wrong.
  bool fetch(HttpClient& client, const std::string& url, int64_t begin, int64_t end, std::string& piece);

  const Session& session_;
  TransferMonitor& monitor_;
  ConnectionBudget& budget_;
  const RepoFile& file_;
  std::atomic<bool> stopped_ = false;
  std::mutex mutex_;  // guards all below
  std::condition_variable changed_;
  std::string url_;
  std::map<int64_t, Piece> pieces_;   // of the helpers, by their begin
  std::string taken_;                 // the owner's
  std::vector<std::string> buffers_;  // to be used again: fresh memory costs as much as the network
  int64_t position_ = 0;              // of the owner
  int64_t owned_ = 0;                 // where the owner's own piece ends
  int64_t began_ = 0;                 // where the owner's last own piece began
  Clock::time_point since_;           // and when
  bool slow_ = false;                 // was it?
  int64_t claimed_ = 0;               // everything before is somebody's
  int running_ = 0, failures_ = 0;    // helpers, pieces that went wrong
  std::vector<std::jthread> threads_;
};

}  // namespace gptq::hub
