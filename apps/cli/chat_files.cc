// Files of a conversation: texts for a message, and saved conversations.
#include "chat_files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utf8proc.h>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <set>

#include <gptq/error.h>

#include "numbers.h"
#include "output.h"

namespace gptq::cli {

namespace {

constexpr int64_t kMaxMessageBytes = 16 << 20, kMaxConversationBytes = 16 << 20;
constexpr int kMaxJsonDepth = 100;

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() {
    if (number_ >= 0) close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  operator int() const { return number_; }

 private:
  int number_;
};

Error file_error(const std::string& attempt) {
  const ErrorKind kind = errno == ENOENT || errno == ENOTDIR ? ErrorKind::kNotFound
                         : errno == EACCES || errno == EPERM ? ErrorKind::kPermission
                                                             : ErrorKind::kGeneral;
  return Error(kind, fmt::format("{}: {}", attempt, std::strerror(errno)));
}

Error content_error(const std::string& path, const std::string& problem) {
  return Error(ErrorKind::kVerification, fmt::format("reading {}: {}", path, problem));
}

bool is_utf8(const std::string& text) {
  const auto* data = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
  utf8proc_int32_t point = 0;
  for (size_t at = 0; at < text.size();) {
    const auto length = utf8proc_iterate(data + at, static_cast<utf8proc_ssize_t>(text.size() - at), &point);
    if (length <= 0) return false;
    at += static_cast<size_t>(length);
  }
  return true;
}

// Writes all of it and syncs.
bool write_through(int file, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(file, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    text.remove_prefix(static_cast<size_t>(written));
  }
  return fsync(file) == 0;
}

Message to_message(const Json& json, const std::string& path, size_t number) {
  const auto fail = [&](const std::string& problem) {
    return content_error(
        path, fmt::format("message {} {}, expected {{\"role\": \"user\", \"content\": \"...\"}}", number, problem));
  };
  if (!json.is_object()) throw fail("is no object");
  static const std::set<std::string> kRoles = {"system", "user", "assistant", "tool"};
  const Json role = json.value("role", Json()), content = json.value("content", Json());
  if (!role.is_string() || !kRoles.count(role)) throw fail(fmt::format("has the role {}", cli::to_text(role, -1)));
  if (content.is_null()) throw fail("has no content");
  if (!content.is_string()) throw fail("has content that is not a string");
  Json fields = json;
  fields.erase("role");
  fields.erase("content");
  return {role, content, fields.empty() ? "" : cli::to_text(fields, -1)};
}

}  // namespace

std::string in_home(const std::string& path) {
  const char* home = std::getenv("HOME");
  return home != nullptr && path.rfind("~/", 0) == 0 ? home + path.substr(1) : path;
}

std::string read_user_file(const std::string& path, const std::string& what, int64_t max_bytes) {
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat status = {};
  if (file < 0 || fstat(file, &status) != 0) throw file_error(fmt::format("reading {} {}", what, path));
  if (!S_ISREG(status.st_mode)) {
    throw content_error(path,
                        fmt::format("it is a {}, expected a file", S_ISDIR(status.st_mode) ? "folder" : "device"));
  }
  std::string text;
  char chunk[1 << 16];
  for (;;) {
    const ssize_t got = read(file, chunk, sizeof chunk);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw file_error(fmt::format("reading {} {}", what, path));
    if (got == 0) return text;
    text.append(chunk, static_cast<size_t>(got));
    if (static_cast<int64_t>(text.size()) > max_bytes) {
      throw content_error(path, fmt::format("{} has more than {}", what, human_bytes(max_bytes)));
    }
  }
}

void write_user_file(const std::string& path, const std::string& text, bool replace) {
  std::string temporary = path + ".XXXXXX";
  const Descriptor file(mkostemp(temporary.data(), O_CLOEXEC));  // of mode 0600
  if (file < 0) throw file_error("writing " + path);
  const auto give_up = [&](const Error& error) {
    unlink(temporary.c_str());
    return error;
  };
  if (!write_through(file, text)) throw give_up(file_error("writing " + path));
  if (!replace) {
    // Fails if the name is taken.
    const Descriptor claim(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (claim < 0 && errno == EEXIST) {
      throw give_up(
          Error(ErrorKind::kUsage, fmt::format("{} exists and was neither saved nor loaded in this conversation; "
                                               "choose another name, or remove it first",
                                               path)));
    }
    if (claim < 0) throw give_up(file_error("writing " + path));
  }
  if (rename(temporary.c_str(), path.c_str()) != 0) throw give_up(file_error("writing " + path));
}

std::string read_message_text(const std::string& path) {
  std::string text = read_user_file(path, "a text", kMaxMessageBytes);
  if (text.rfind("\xEF\xBB\xBF", 0) == 0) text.erase(0, 3);
  if (!is_utf8(text) || text.find('\0') != std::string::npos) {
    throw content_error(path, "it is not text in UTF-8; convert it first, for example with iconv");
  }
  return text;
}

std::vector<Message> read_messages(const std::string& path) {
  const std::string text = read_user_file(path, "a conversation", kMaxConversationBytes);
  const auto shallow = [&](int depth, Json::parse_event_t, Json&) {
    if (depth > kMaxJsonDepth) throw content_error(path, "it is nested too deeply");
    return true;
  };
  Json json;
  try {
    json = Json::parse(text, shallow);
  } catch (const Json::exception& error) {
    throw content_error(path, fmt::format("it is not JSON: {}", error.what()));
  }
  if (json.is_object() && json.contains("messages")) json = Json(json["messages"]);
  if (!json.is_array()) {
    throw content_error(path, "found no list of messages, expected [{\"role\": \"user\", \"content\": \"...\"}, ...]");
  }
  std::vector<Message> messages;
  for (const Json& message : json) messages.push_back(to_message(message, path, messages.size() + 1));
  return messages;
}

std::string messages_to_json(const std::vector<Message>& messages) {
  Json list = Json::array();
  for (const Message& message : messages) {
    Json json = {{"role", message.role}, {"content", message.content}};
    if (!message.fields.empty()) json.update(Json::parse(message.fields));
    list.push_back(json);
  }
  return to_text(list, 2) + "\n";
}

}  // namespace gptq::cli
