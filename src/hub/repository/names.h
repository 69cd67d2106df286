// Names on the Hub: repositories, revisions, paths in a repository; their syntax and URL encoding.
#pragma once

#include <string>
#include <string_view>

namespace gptq::hub {

// "org/name" or "name": parts of 1 to 96 characters of [A-Za-z0-9._-], at most one slash, no "--" or "..", no part that
// begins or ends with "-" or ".", not ending in ".git". Source: huggingface_hub's validate_repo_id.
bool is_repo_id(std::string_view id);

struct ModelName {
  std::string id;
  std::string revision;  // "main" unless given

  // "org/name", "org/name@revision". Throws Error(kUsage) naming the fault.
  static ModelName parse(const std::string& text, const std::string& revision = "");
};

bool is_commit(std::string_view revision);  // 40 hexadecimal digits, lower case

// Checks a path from a listing before it is used below a local folder: relative, no "..", no empty or "."
// part, no ".git", no backslash or control character, at most 1024 bytes and 255 per part, valid UTF-8.
// Throws Error(kVerification) otherwise.
void check_repo_path(const std::string& path, const std::string& where);

// Percent-encoding of everything but unreserved characters; `keep_slashes` for paths of files.
std::string url_encoded(std::string_view text, bool keep_slashes);

// "models--org--name", the folder in the cache.
std::string cache_folder_name(const std::string& id);
std::string id_of_cache_folder(const std::string& name);  // "" when it is not such a name

}  // namespace gptq::hub
