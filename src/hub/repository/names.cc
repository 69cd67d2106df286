// huggingface_hub's rules for names, and gptq's rules for paths from a server.
#include "hub/repository/names.h"

#include <algorithm>

#include <gptq/error.h>

#include "core/ascii.h"
#include "core/utf8.h"

namespace gptq::hub {

namespace {

bool is_name_char(char c) { return is_ascii_alnum(c) || c == '.' || c == '_' || c == '-'; }

// The fault of an id; "" when it is valid.
std::string fault_of(std::string_view id) {
  if (id.empty()) return "it is empty";
  if (std::count(id.begin(), id.end(), '/') > 1) return "it has more than one slash";
  if (id.find("--") != id.npos || id.find("..") != id.npos) return "it contains \"--\" or \"..\"";
  if (id.ends_with(".git")) return "it ends in \".git\"";
  for (size_t begin = 0; begin <= id.size();) {
    const size_t end = std::min(id.find('/', begin), id.size());
    const std::string_view part = id.substr(begin, end - begin);
    if (part.empty()) return "a name before or after the slash is missing";
    if (part.size() > 96) return "a name has more than 96 characters";
    if (!std::all_of(part.begin(), part.end(), is_name_char))
      return "only letters, digits, '.', '_' and '-' are allowed";
    for (const char c : {part.front(), part.back()}) {
      if (c == '.' || c == '-') return "a name begins or ends with '.' or '-'";
    }
    begin = end + 1;
  }
  return "";
}

bool is_revision(std::string_view revision) {
  if (revision.empty() || revision.size() > 255 || revision.find("..") != revision.npos) return false;
  if (revision.front() == '/' || revision.back() == '/' || revision.find("//") != revision.npos) return false;
  if (revision.front() == '.' || revision.find("/.") != revision.npos) return false;  // git's rule, and no "." parts
  return std::none_of(revision.begin(), revision.end(), [](unsigned char c) {
    return c <= 0x20 || c == 0x7F || std::string_view("~^:?*[\\").find(static_cast<char>(c)) != std::string_view::npos;
  });
}

// Git has no such path in a repository; writing to it could make git run a program.
bool is_git_folder(std::string_view part) { return ascii_lower(part) == ".git"; }

}  // namespace

bool is_repo_id(std::string_view id) { return fault_of(id).empty(); }

ModelName ModelName::parse(const std::string& text, const std::string& revision) {
  ModelName name;
  const size_t at = text.find('@');
  name.id = text.substr(0, at);
  const std::string behind = at == std::string::npos ? "" : text.substr(at + 1);
  if (at != std::string::npos && behind.empty()) {
    throw Error(ErrorKind::kUsage,
                "reading the model name \"" + text + "\": nothing follows the @; write org/name@revision");
  }
  if (!behind.empty() && !revision.empty() && behind != revision) {
    throw Error(ErrorKind::kUsage, "reading the model name \"" + text + "\": it contains revision " + behind +
                                       " and --revision says " + revision + "; use one of them");
  }
  name.revision = !revision.empty() ? revision : !behind.empty() ? behind : "main";
  if (const std::string fault = fault_of(name.id); !fault.empty()) {
    throw Error(ErrorKind::kUsage, "reading the model name \"" + name.id + "\": " + fault +
                                       "; expected the name of a model on the Hub, org/name, or a folder that exists");
  }
  if (!is_revision(name.revision)) {
    throw Error(ErrorKind::kUsage, "reading the revision \"" + name.revision +
                                       "\": expected a branch, a tag, refs/pr/N or a commit of 40 hexadecimal digits");
  }
  return name;
}

bool is_commit(std::string_view revision) {
  return revision.size() == 40 && std::all_of(revision.begin(), revision.end(), is_lower_hex);
}

void check_repo_path(const std::string& path, const std::string& where) {
  const auto refuse = [&](const std::string& fault) {
    std::string shown;
    for (const char c : path.substr(0, 100)) shown += static_cast<unsigned char>(c) < 0x20 || c == 0x7F ? '?' : c;
    throw Error(ErrorKind::kVerification,
                where + ": the path \"" + shown + "\" " + fault +
                    "; expected a relative path inside the repository; nothing was written for it");
  };
  if (path.empty() || path.size() > 1024) refuse("is empty or longer than 1024 bytes");
  if (!is_valid_utf8(path)) refuse("is not valid UTF-8");
  for (const char c : path) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F || c == '\\')
      refuse("contains a control character or a backslash");
  }
  for (size_t begin = 0; begin <= path.size();) {
    const size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view part = std::string_view(path).substr(begin, end - begin);
    if (part.empty() || part == "." || part == "..") refuse("leads out of the folder");
    if (is_git_folder(part)) refuse("leads into a .git folder");
    if (part.size() > 255) refuse("has a part of more than 255 bytes");
    begin = end + 1;
  }
}

std::string url_encoded(std::string_view text, bool keep_slashes) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (is_ascii_alnum(c) || c == '-' || c == '.' || c == '_' || c == '~' || (keep_slashes && c == '/')) {
      out += c;
    } else {
      out += '%', out += kDigits[byte >> 4], out += kDigits[byte & 15];
    }
  }
  return out;
}

std::string cache_folder_name(const std::string& id) {
  std::string name = "models--" + id;
  if (const size_t slash = name.find('/'); slash != std::string::npos) name.replace(slash, 1, "--");
  return name;
}

std::string id_of_cache_folder(const std::string& name) {
  if (!name.starts_with("models--")) return "";
  std::string id = name.substr(8);
  if (const size_t cut = id.find("--"); cut != std::string::npos) id.replace(cut, 2, "/");
  return is_repo_id(id) ? id : "";
}

}  // namespace gptq::hub
