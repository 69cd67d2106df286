// How fast is text? Loading a tokenizer, encoding and decoding, one thread.
#include <gptq/gptq.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "bench/bandwidth.h"
#include "core/file.h"

namespace {

using namespace gptq;
using Clock = std::chrono::steady_clock;

// Best of several runs, at least five and at least half a second in all.
template <typename Body>
double best_seconds(const Body& body) {
  double best = 1e30;
  const auto begin = Clock::now();
  for (int run = 0; run < 5 || bench::seconds_since(begin) < 0.5; ++run) {
    const auto start = Clock::now();
    body();
    best = std::min(best, bench::seconds_since(start));
  }
  return best;
}

// Not getrusage: its peak also counts the program that started this one.
double peak_megabytes() {
  std::ifstream status("/proc/self/status");
  std::string word;
  while (status >> word && word != "VmHWM:") continue;
  double kilobytes = 0;
  status >> kilobytes;
  return kilobytes * 1024 / 1e6;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size() - 1) + 1;
    lines.push_back(text.substr(begin, end - begin));
    begin = end;
  }
  return lines;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Loads a tokenizer once, then encodes TEXT as one prompt and line by line, and decodes it again.");
  std::string model, file;
  bool json = false;
  app.add_option("MODEL", model, "A folder with a tokenizer")->required();
  app.add_option("TEXT", file, "A text file; without it only loading is measured");
  app.add_flag("--json", json, "Print one JSON object");
  CLI11_PARSE(app, argc, argv);
  try {
    const double before = peak_megabytes();
    const auto start = Clock::now();
    const Tokenizer tokenizer = Tokenizer::open(model);
    const double load = bench::seconds_since(start), memory = peak_megabytes() - before;
    double first = 0, whole = 0, by_line = 0, decoding = 0, megabytes = 0;
    size_t tokens = 0;
    if (!file.empty()) {
      const std::string text = read_file(file);
      const std::vector<std::string> lines = lines_of(text);
      const auto begin = Clock::now();
      const std::vector<TokenId> ids = tokenizer.encode(text);
      first = bench::seconds_since(begin);
      tokens = ids.size();
      megabytes = static_cast<double>(text.size()) / 1e6;
      whole = best_seconds([&] { tokenizer.encode(text); });
      by_line = best_seconds([&] {
        for (const std::string& line : lines) tokenizer.encode(line);
      });
      decoding = best_seconds([&] { tokenizer.decode(ids); });
    }
    if (json) {
      std::printf(
          "{\"load_s\": %.4f, \"load_mb\": %.1f, \"tokens\": %zu, \"mb\": %.3f, \"first_s\": %.6f, \"whole_s\": %.6f, "
          "\"lines_s\": %.6f, "
          "\"decode_s\": %.6f}\n",
          load, memory, tokens, megabytes, first, whole, by_line, decoding);
      return 0;
    }
    std::printf("%-28s %10s %10s %12s\n", "", "ms", "MB/s", "ns/token");
    const auto row = [&](const char* name, double seconds) {
      std::printf("%-28s %10.1f %10.1f %12.1f\n", name, seconds * 1e3, megabytes / seconds,
                  seconds * 1e9 / static_cast<double>(tokens));
    };
    std::printf("%-28s %10.1f   peak memory %.1f MB\n", "load", load * 1e3, memory);
    if (file.empty()) return 0;
    row("encode, one prompt, first", first);
    row("encode, one prompt", whole);
    row("encode, line by line", by_line);
    row("decode", decoding);
  } catch (const Error& error) {
    std::fprintf(stderr, "text_bench: %s\n", error.what());
    return error.exit_code();
  }
}
