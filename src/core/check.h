// CHECK: for bugs of gptq only; bad input throws an Error with a specific message instead.
#pragma once

#include <string>

namespace gptq {

[[noreturn]] void check_failed(const char* condition, const char* file, int line, const std::string& note);

}  // namespace gptq

// Usage: CHECK(x > 0); or CHECK(x > 0, "x is " + std::to_string(x));
#define CHECK(condition, ...)                                                                         \
  do {                                                                                                \
    if (!(condition)) ::gptq::check_failed(#condition, __FILE__, __LINE__, std::string(__VA_ARGS__)); \
  } while (false)
