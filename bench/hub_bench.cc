// How fast does a model come from a Hub on loopback, hashed on the way, and what bounds it?
#include <fcntl.h>
#include <gptq/gptq.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>
#include <thread>

#include "bench/bandwidth.h"
#include "hub/http/http.h"
#include "hub/http/transfer_monitor.h"
#include "hub/http/workers.h"
#include "hub/repository/digest.h"
#include "tests/hub/local_hub.h"

namespace {

bool page_cache_only = false;

}  // namespace

// These stand before libc's own in this program.
extern "C" int fdatasync(int file) { return page_cache_only ? 0 : static_cast<int>(::syscall(SYS_fdatasync, file)); }
extern "C" int sync_file_range(int file, off64_t begin, off64_t size, unsigned flags) {
  return page_cache_only ? 0 : static_cast<int>(::syscall(SYS_sync_file_range, file, begin, size, flags));
}

namespace {

using namespace gptq;
using Clock = std::chrono::steady_clock;

struct Cost {
  double seconds = 1e30, processor_seconds = 1e30;
};

double processor_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// The best of several runs: the first ones find memory that the machine has yet to give.
template <typename Body>
Cost cost_of(const Body& body) {
  Cost best;
  for (int run = 0; run < 5; ++run) {
    const auto start = Clock::now();
    const double before = processor_seconds();
    body();
    best.seconds = std::min(best.seconds, bench::seconds_since(start));
    best.processor_seconds = std::min(best.processor_seconds, processor_seconds() - before);
  }
  return best;
}

void print(const char* what, const Cost& cost, double bytes) {
  std::printf("%-34s %8.0f MB/s   %6.3f processor seconds per GB\n", what, bytes / cost.seconds / 1e6,
              cost.processor_seconds / bytes * 1e9);
}

constexpr size_t kPiece = 64 << 10;       // what a download writes at once
constexpr size_t kWriteBehind = 8 << 20;  // and how often it sets the disk to work

Cost write_cost(const fs::path& folder, size_t size, bool sync) {
  const std::string piece(kPiece, 'w');
  return cost_of([&] {
    fs::create_directories(folder);
    const int file = ::open((folder / "file").c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0666);
    bool whole = file >= 0;
    for (size_t done = 0; whole && done < size; done += kPiece) {
      whole = ::write(file, piece.data(), kPiece) == static_cast<ssize_t>(kPiece);
      if (sync && done % kWriteBehind == 0) sync_file_range(file, 0, 0, SYNC_FILE_RANGE_WRITE);
    }
    if (sync) ::fdatasync(file);
    ::close(file);
    if (!whole) throw Error(ErrorKind::kGeneral, "writing below " + folder.string() + ": it is full");
    fs::remove_all(folder);
  });
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Pulls files from a Hub in this process, on loopback, into a fresh cache below DIR.");
  std::string folder = "/dev/shm";
  int files = 4, megabytes = 256;
  app.add_option("DIR", folder, "Where the cache goes; a tmpfs shows the program, a disk the disk")
      ->capture_default_str();
  app.add_option("--files", files, "Number of files")->capture_default_str();
  app.add_option("--megabytes", megabytes, "Size of each")->capture_default_str();
  app.add_flag("--page-cache", page_cache_only, "Do not wait for the disk: as if it kept up");
  CLI11_PARSE(app, argc, argv);

  const size_t size = static_cast<size_t>(megabytes) * 1'000'000;
  const double total = static_cast<double>(size) * files;
  testing::LocalHub hub;
  std::vector<testing::LocalHub::NewFile> content;
  for (int i = 0; i < files; ++i) {
    content.emplace_back("weights-" + std::to_string(i) + ".safetensors",
                         std::string(size, static_cast<char>('a' + i)));
  }
  hub.commit("org/large", content);
  const fs::path cache = fs::path(folder) / ("gptq-hub-bench-" + std::to_string(::getpid()));
  setenv("HF_ENDPOINT", hub.endpoint().c_str(), 1);

  int round = 0;  // a folder for each, for taking one away is no part of a pull
  const Cost pulled = cost_of([&] {
    setenv("HF_HUB_CACHE", (cache / std::to_string(round++)).c_str(), 1);
    pull("org/large", {});
  });
  fs::remove_all(cache);

  // The parts, each alone: the exchange without hash and file, the hash, the file.
  const hub::Settings settings = hub::Settings::from_environment();
  const Cost exchanged = cost_of([&] {
    hub::TransferMonitor monitor({});
    hub::run_workers(content.size(), 8, settings, monitor, [&](hub::HttpClient& client, size_t i) {
      const std::string url = hub.endpoint() + "/org/large/resolve/main/" + content[i].path;
      hub::HttpRequest request{.method = "HEAD", .url = url};
      request.url = client.send(request).header("location");
      request.method = "GET";
      request.decode = false;
      request.sink = [](const hub::HttpResponse&, std::string_view) { return true; };
      client.send(request);
    });
  });
  const std::string_view piece = std::string_view(*content[0].bytes).substr(0, kPiece);
  const Cost hashed = cost_of([&] {
    hub::Digest digest(std::string(64, '0'), 0);
    for (size_t done = 0; done < size; done += piece.size()) digest.add(piece);
  });
  const Cost written = write_cost(cache, size, false), synced = write_cost(cache, size, true);

  const double one = static_cast<double>(size);
  std::printf("%d files of %d MB, %u hardware threads, cache below %s\n", files, megabytes,
              std::thread::hardware_concurrency(), folder.c_str());
  print("pull", pulled, total);
  print("  exchange, both sides", exchanged, total);
  print("  SHA-256, one thread", hashed, one);
  print("  writing the file, one thread", written, one);
  print("  the same, until it is on the disk", synced, one);
  const double parts =
      exchanged.processor_seconds / total + (hashed.processor_seconds + written.processor_seconds) / one;
  const double processors = std::thread::hardware_concurrency() / parts, disk = one / synced.seconds;
  std::printf("bound: %s  %.0f MB/s, of which pull reaches %.0f %%\n",
              processors < disk ? "all parts on all threads" : "the disk", std::min(processors, disk) / 1e6,
              100 * total / pulled.seconds / std::min(processors, disk));
  return 0;
}
