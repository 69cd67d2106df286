// Formatting and parsing of sizes, durations and rates.
#include "numbers.h"

#include <fmt/format.h>
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>

#include <gptq/gptq.h>

namespace gptq::cli {

namespace {

std::string scaled(double value, const char* const* units, int count, double whole_below) {
  int unit = 0;
  while (unit + 1 < count && value >= 999.5) {
    value /= 1000;
    ++unit;
  }
  if (unit == 0 && value < whole_below) return fmt::format("{:.0f}{}", value, units[0]);
  return value < 99.95 ? fmt::format("{:.1f}{}", value, units[unit]) : fmt::format("{:.0f}{}", value, units[unit]);
}

}  // namespace

std::string human_bytes(int64_t bytes) {
  static const char* const kUnits[] = {" B", " kB", " MB", " GB", " TB", " PB"};
  return scaled(static_cast<double>(bytes), kUnits, 6, 1000);
}

std::string human_operations(double per_second) {
  static const char* const kUnits[] = {" FLOP/s", " kFLOP/s", " MFLOP/s", " GFLOP/s", " TFLOP/s", " PFLOP/s"};
  return scaled(per_second, kUnits, 6, 1000);
}

std::string human_count(int64_t count) {
  static const char* const kUnits[] = {"", " k", " M", " B", " T"};
  return scaled(static_cast<double>(count), kUnits, 5, 1000);
}

std::string human_seconds(double seconds) {
  if (seconds < 0.9995) return fmt::format("{:.0f} ms", seconds * 1000);
  if (seconds < 59.95) return fmt::format("{:.1f} s", seconds);
  const int64_t whole = std::llround(seconds);
  if (whole < 3600) return fmt::format("{} min {} s", whole / 60, whole % 60);
  return fmt::format("{} h {} min", whole / 3600, whole % 3600 / 60);
}

std::string human_range(double from, double to) {
  if (to < 0.95) return "less than 1 s";
  if (to >= 7200) return fmt::format("{:.1f} to {:.1f} h", from / 3600, to / 3600);
  const double unit = to < 120 ? 1 : 60;
  const int64_t low = std::max<int64_t>(1, std::llround(from / unit)), high = std::llround(to / unit);
  const std::string name = unit == 1 ? "s" : "min";
  return low < high ? fmt::format("{} to {} {}", low, high, name) : fmt::format("{} {}", high, name);
}

std::string human_share(double share) {
  const double percent = 100 * share;
  if (percent > 0 && percent < 0.0001) return "below 0.0001 %";
  return percent > 0 && percent < 9.95 ? fmt::format("{:#.2g} %", percent) : fmt::format("{:.0f} %", percent);
}

std::string human_clock(double seconds) {
  const int64_t whole = std::llround(seconds);
  if (whole < 3600) return fmt::format("{}:{:02}", whole / 60, whole % 60);
  return fmt::format("{}:{:02}:{:02}", whole / 3600, whole % 3600 / 60, whole % 60);
}

std::string human_tokens(int64_t tokens) { return fmt::format("{} token{}", tokens, tokens == 1 ? "" : "s"); }

std::string human_messages(size_t messages) { return fmt::format("{} message{}", messages, messages == 1 ? "" : "s"); }

int64_t parse_bytes(const std::string& text) {
  static const std::map<std::string, double> kUnits = {
      {"", 1},     {"B", 1},        {"KB", 1e3},        {"MB", 1e6},
      {"GB", 1e9}, {"KIB", 1024.0}, {"MIB", 1048576.0}, {"GIB", 1073741824.0}};
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  std::string unit;
  for (; *end != '\0'; ++end) {
    if (*end != ' ') unit += static_cast<char>(std::toupper(static_cast<unsigned char>(*end)));
  }
  const auto found = kUnits.find(unit);
  const double bytes = found == kUnits.end() ? 0 : value * found->second;
  if (!(bytes >= 1) || bytes > 9e18) {
    throw Error(ErrorKind::kUsage, fmt::format("'{}' is not a size; write it like 5GB, 500MB or 2GiB", text));
  }
  return static_cast<int64_t>(bytes);
}

}  // namespace gptq::cli
