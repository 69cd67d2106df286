// Reading large JSON tables without a document in memory: headers and indexes of untrusted files.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace gptq::checkpoint {

// Receives the events of one document in order; any method may throw to reject it.
class JsonEvents {
 public:
  enum class Kind { kString, kUnsigned, kOther };  // kOther: null, a boolean, any other number

  virtual ~JsonEvents() = default;
  virtual void open(bool array) = 0;
  virtual void close() = 0;
  virtual void key(std::string& name) = 0;  // duplicates are handled by the receiver
  virtual void scalar(Kind kind, std::string& text, uint64_t number) = 0;
};

// Throws Error(kVerification), naming `what`, for bad syntax, invalid UTF-8, zero bytes and nesting deeper than 64.
void read_json_events(std::string_view text, const std::string& what, JsonEvents& events);

}  // namespace gptq::checkpoint
