// The JSON library's events, with a bound on nesting.
#include "checkpoint/json_events.h"

#include <gptq/error.h>

#include "core/json.h"

namespace gptq::checkpoint {

namespace {

constexpr size_t kMaxDepth = 64;

class Adapter {
 public:
  Adapter(const std::string& what, JsonEvents& events) : what_(what), events_(events) {}

  bool null() { return other(); }
  bool boolean(bool) { return other(); }
  bool number_integer(int64_t) { return other(); }
  bool number_float(double, const std::string&) { return other(); }
  bool number_unsigned(uint64_t value) {
    events_.scalar(JsonEvents::Kind::kUnsigned, none_, value);
    return true;
  }
  bool string(std::string& value) {
    events_.scalar(JsonEvents::Kind::kString, value, 0);
    return true;
  }
  bool binary(Json::binary_t&) { return false; }  // JSON text has none
  bool key(std::string& name) {
    events_.key(name);
    return true;
  }
  bool start_object(size_t) { return open(false); }
  bool start_array(size_t) { return open(true); }
  bool end_object() { return close(); }
  bool end_array() { return close(); }
  bool parse_error(size_t, const std::string&, const Json::exception& error) { refuse(error.what()); }

  [[noreturn]] void refuse(const std::string& reason) const {
    throw Error(ErrorKind::kVerification,
                "parsing " + what_ + " as JSON: " + reason + "; the file is damaged, fetch it again");
  }

 private:
  bool other() {
    events_.scalar(JsonEvents::Kind::kOther, none_, 0);
    return true;
  }
  bool open(bool array) {
    if (++depth_ > kMaxDepth) refuse("nesting deeper than " + std::to_string(kMaxDepth));
    events_.open(array);
    return true;
  }
  bool close() {
    --depth_;
    events_.close();
    return true;
  }

  const std::string& what_;
  JsonEvents& events_;
  size_t depth_ = 0;
  std::string none_;
};

}  // namespace

void read_json_events(std::string_view text, const std::string& what, JsonEvents& events) {
  Adapter adapter(what, events);
  // The library treats a zero byte as the end of the text; JSON does not allow zero bytes.
  if (text.find('\0') != std::string_view::npos) adapter.refuse("found a zero byte");
  Json::sax_parse(text, &adapter);
}

}  // namespace gptq::checkpoint
