// How fast does a model come from a Hub on loopback, hashed on the way, and what bounds it?
#include <gptq/gptq.h>
#include <sys/resource.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <fstream>
#include <string>
#include <thread>

#include "bench/bandwidth.h"
#include "hub/digest.h"
#include "hub/http.h"
#include "hub/meter.h"
#include "hub/workers.h"
#include "tests/hub/local_hub.h"

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

// The best of three runs.
template <typename Body>
Cost cost_of(const Body& body) {
  Cost best;
  for (int run = 0; run < 3; ++run) {
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

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Pulls files from a Hub in this process, on loopback, into a fresh cache below DIR.");
  std::string folder = "/dev/shm";
  int files = 4, megabytes = 256;
  app.add_option("DIR", folder, "Where the cache goes; a tmpfs shows the program, a disk the disk")
      ->capture_default_str();
  app.add_option("--files", files, "Number of files")->capture_default_str();
  app.add_option("--megabytes", megabytes, "Size of each")->capture_default_str();
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
    hub::Meter meter({});
    hub::run_workers(content.size(), 8, settings, meter, [&](hub::HttpClient& client, size_t i) {
      const std::string url = hub.endpoint() + "/org/large/resolve/main/" + content[i].path;
      hub::HttpRequest request{.method = "HEAD", .url = url};
      request.url = client.send(request).header("location");
      request.method = "GET";
      request.decode = false;
      request.sink = [](const hub::HttpResponse&, std::string_view) { return true; };
      client.send(request);
    });
  });
  const std::string_view piece = std::string_view(*content[0].bytes).substr(0, 1 << 14);  // what libcurl hands out
  const Cost hashed = cost_of([&] {
    hub::Digest digest(std::string(64, '0'), 0);
    for (size_t done = 0; done < size; done += piece.size()) digest.add(piece);
  });
  const Cost written = cost_of([&] {
    fs::create_directories(cache);
    std::ofstream out(cache / "file", std::ios::binary);
    for (size_t done = 0; done < size; done += piece.size())
      out.write(piece.data(), static_cast<std::streamsize>(piece.size()));
    out.close();
    fs::remove_all(cache);
  });

  const double one = static_cast<double>(size);
  std::printf("%d files of %d MB, %u hardware threads, cache below %s\n", files, megabytes,
              std::thread::hardware_concurrency(), folder.c_str());
  print("pull", pulled, total);
  print("  exchange, both sides", exchanged, total);
  print("  SHA-256, one thread", hashed, one);
  print("  writing the file, one thread", written, one);
  const double parts =
      exchanged.processor_seconds / total + (hashed.processor_seconds + written.processor_seconds) / one;
  const double bound = std::thread::hardware_concurrency() / parts;
  std::printf("bound: all parts on all threads  %8.0f MB/s, of which pull reaches %.0f %%\n", bound / 1e6,
              100 * total / pulled.seconds / bound);
  return 0;
}
