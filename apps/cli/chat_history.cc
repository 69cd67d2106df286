// The input history of conversations, in a file.
#include "chat_history.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

#include <gptq/error.h>
#include <gptq/terminal.h>

#include "chat_files.h"
#include "output.h"
#include "progress.h"

namespace gptq::cli {

namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxEntries = 1000, kMaxEntryBytes = 64 << 10, kMaxFileBytes = 4 << 20;

std::string history_path() {
  const char* state = std::getenv("XDG_STATE_HOME");
  if (state != nullptr && state[0] == '/') return std::string(state) + "/gptq/chat_history";  // relative: not valid
  const char* home = std::getenv("HOME");
  return home == nullptr || *home == '\0' ? "" : std::string(home) + "/.local/state/gptq/chat_history";
}

}  // namespace

ChatHistory::ChatHistory(bool kept) : path_(kept ? history_path() : "") {
  if (path_.empty()) return;
  std::error_code error;
  if (!fs::exists(path_, error)) return;
  try {
    load();
  } catch (const std::runtime_error& failure) {  // an Error, or the file system's
    say(fmt::format("note: this conversation has no history: {}", failure.what()));
    path_.clear();
  }
}

void ChatHistory::load() {
  if (!fs::is_regular_file(path_)) throw Error(ErrorKind::kGeneral, path_ + " is not a regular file");
  std::ifstream file(path_, std::ios::binary);
  const uintmax_t size = fs::file_size(path_);
  std::string line;
  size_t found = 0;
  if (size > kMaxFileBytes) {
    file.seekg(static_cast<std::streamoff>(size - kMaxFileBytes));
    std::getline(file, line);  // the end of one
  }
  for (; std::getline(file, line); ++found) {
    const Json entry = Json::parse(line, nullptr, false);
    if (entry.is_string()) entries_.push_back(sanitize_for_terminal(entry.get<std::string>()));
  }
  if (found <= kMaxEntries && size <= kMaxFileBytes) return;
  if (entries_.size() > kMaxEntries) entries_.erase(entries_.begin(), entries_.end() - kMaxEntries);
  shorten();
}

void ChatHistory::shorten() const {
  std::string text;
  for (const std::string& entry : entries_) text += to_text(entry, -1) + "\n";
  write_user_file(path_, text, true);
}

void ChatHistory::add(const std::string& entry) {
  if (path_.empty() || entry.size() > kMaxEntryBytes) return;
  std::error_code error;
  fs::create_directories(fs::path(path_).parent_path(), error);  // the failure is reported below
  errno = 0;
  const int file = open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK, 0600);
  struct stat status = {};
  const std::string line = to_text(entry, -1) + "\n";
  const bool written = file >= 0 && fstat(file, &status) == 0 && S_ISREG(status.st_mode) && fchmod(file, 0600) == 0 &&
                       write(file, line.data(), line.size()) == static_cast<ssize_t>(line.size());
  if (!written) {
    const char* reason = errno == 0 ? "it is not a regular file, or the disk is full" : std::strerror(errno);
    say(fmt::format("note: the history is not saved: cannot write {}: {}", path_, reason));
    path_.clear();
  }
  if (file >= 0) close(file);
}

}  // namespace gptq::cli
