// Formatting and parsing of sizes, durations and rates.
#pragma once

#include <cstdint>
#include <string>

namespace gptq::cli {

std::string human_bytes(int64_t bytes);           // "13.6 MB", decimal units
std::string human_operations(double per_second);  // "612 GFLOP/s"
std::string human_count(int64_t count);           // "6.8 M"
std::string human_seconds(double seconds);        // "0.35 s", "12.4 s", "2 min 5 s", "1 h 4 min"
std::string human_range(double from, double to);  // of seconds: "7 to 20 s", "2 to 5 min"
std::string human_share(double share);            // "0.97 %", two digits
std::string human_clock(double seconds);          // "0:07", "1:02:03"
std::string human_tokens(int64_t tokens);         // "1 token", "12 tokens"
std::string human_messages(size_t messages);      // "1 message", "2 messages"

// "5GB", "500 MB", "2GiB" or plain bytes. Throws Error(kUsage).
int64_t parse_bytes(const std::string& text);

}  // namespace gptq::cli
