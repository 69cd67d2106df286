// Reads the environment with the defaults of huggingface_hub.
#include "hub/http/settings.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdlib>

#include <gptq/error.h>

#include "core/ascii.h"
#include "hub/http/http.h"

namespace gptq::hub {

namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::string first_of(std::initializer_list<const char*> names) {
  for (const char* name : names) {
    if (std::string value = variable(name); !value.empty()) return value;
  }
  return "";
}

bool is_true(std::initializer_list<const char*> names) {  // of the first variable that is set
  std::string value = first_of(names);
  std::transform(value.begin(), value.end(), value.begin(), [](unsigned char c) { return std::toupper(c); });
  return value == "1" || value == "ON" || value == "YES" || value == "TRUE";
}

int seconds(const char* name, int fallback) {
  const std::string value = variable(name);
  if (value.empty()) return fallback;
  int result = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), result);
  if (error != std::errc() || end != value.data() + value.size() || result < 0) {
    throw Error(ErrorKind::kUsage,
                std::string("reading ") + name + ": found \"" + value + "\", expected a whole number of seconds");
  }
  return result == 0 ? fallback : result;
}

// Expands "$NAME" and "${NAME}"; unset variables are left as they are written.
std::string with_variables(const std::string& path) {
  std::string out;
  for (size_t i = 0; i < path.size();) {
    const bool braces = path.compare(i, 2, "${") == 0;
    size_t end = i + (braces ? 2 : 1);
    const size_t begin = end;
    while (path[i] == '$' && end < path.size() && (is_ascii_alnum(path[end]) || path[end] == '_')) ++end;
    const std::string name = path.substr(begin, end - begin);
    const bool closed = !braces || (end < path.size() && path[end] == '}');
    if (path[i] != '$' || name.empty() || !closed || std::getenv(name.c_str()) == nullptr) {
      out += path[i++];
    } else {
      out += variable(name.c_str());
      i = end + (braces ? 1 : 0);
    }
  }
  return out;
}

fs::path expanded(const std::string& path) {
  const bool home = path == "~" || path.starts_with("~/");
  return with_variables(home ? variable("HOME") + path.substr(1) : path);
}

fs::path path_of(std::initializer_list<const char*> names, const fs::path& fallback) {
  const std::string value = first_of(names);
  return value.empty() ? fallback : expanded(value);
}

}  // namespace

Settings Settings::from_environment() {
  Settings s;
  s.endpoint = first_of({"HF_ENDPOINT"});
  if (s.endpoint.empty()) s.endpoint = "https://huggingface.co";
  while (s.endpoint.ends_with('/')) s.endpoint.pop_back();
  if (!s.endpoint.starts_with("http://") && !s.endpoint.starts_with("https://")) {
    throw Error(ErrorKind::kUsage, "reading HF_ENDPOINT: found \"" + s.endpoint.substr(s.endpoint.rfind('@') + 1) +
                                       "\", expected a URL like https://huggingface.co");
  }
  s.endpoint = without_user_info(s.endpoint, &s.endpoint_user);
  while (s.endpoint.ends_with('/')) s.endpoint.pop_back();
  const fs::path cache_home = path_of({"XDG_CACHE_HOME"}, expanded("~/.cache"));
  s.home = path_of({"HF_HOME"}, cache_home / "huggingface");
  s.cache = path_of({"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"}, s.home / "hub");
  s.token_file = path_of({"HF_TOKEN_PATH"}, s.home / "token");
  s.stored_tokens_file = s.token_file.parent_path() / "stored_tokens";
  s.offline = is_true({"HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"});
  s.implicit_token = !is_true({"HF_HUB_DISABLE_IMPLICIT_TOKEN"});
  s.symlinks = !is_true({"HF_HUB_DISABLE_SYMLINKS"});
  s.telemetry = !is_true({"HF_HUB_DISABLE_TELEMETRY"}) && !is_true({"DO_NOT_TRACK"}) && !is_true({"DISABLE_TELEMETRY"});
  s.debug = is_true({"HF_DEBUG"});
  s.metadata_timeout = seconds("HF_HUB_ETAG_TIMEOUT", 10);
  s.download_timeout = seconds("HF_HUB_DOWNLOAD_TIMEOUT", 10);
  return s;
}

}  // namespace gptq::hub
