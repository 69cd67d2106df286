// Token files in the format of huggingface_hub: `token` holds the active one, `stored_tokens` is an INI file of all.
#include "hub/http/token.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <gptq/error.h>

#include "core/ascii.h"
#include "core/file.h"

namespace gptq::hub {

namespace {

// The token in `text`. Other characters are rejected, because it is sent in a header of every request.
std::string token_in(const std::string& text, const std::string& source) {
  std::string token(trim(text));
  std::erase_if(token, [](char c) { return c == '\r' || c == '\n'; });
  for (const char c : token) {
    if (static_cast<unsigned char>(c) > 0x20 && static_cast<unsigned char>(c) < 0x7F) continue;
    throw Error(ErrorKind::kPermission, "reading the token from " + source +
                                            ": it contains spaces or other invalid characters; copy it "
                                            "again from the settings of your account");
  }
  return token;
}

// Readable by the owner only from its first byte; readers see the old file or the new one.
void write_private(const fs::path& path, const std::string& content) {
  std::error_code ignored;
  if (!fs::exists(path.parent_path(), ignored)) {
    fs::create_directories(path.parent_path());
    fs::permissions(path.parent_path(), fs::perms::owner_all);
  }
  write_file_atomic(path, content, 0600);
}

// The INI file; unknown keys are preserved. section -> (key, value) in order.
struct Section {
  std::string name;
  std::vector<std::pair<std::string, std::string>> values;
};

std::vector<Section> read_sections(const fs::path& path) {
  std::vector<Section> sections;
  if (!fs::exists(path)) return sections;
  const std::string text = read_small_file(path);
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string line(trim(text.substr(begin, end - begin)));
    begin = end + 1;
    if (line.empty() || line[0] == '#' || line[0] == ';') continue;
    if (line.front() == '[' && line.back() == ']') {
      sections.push_back({line.substr(1, line.size() - 2), {}});
      continue;
    }
    const size_t equals = line.find_first_of("=:");
    if (equals == std::string::npos || sections.empty()) {
      throw Error(ErrorKind::kVerification, "reading " + path.string() +
                                                ": found a line that is neither [name] nor key = value; correct "
                                                "the file, or remove it and log in again");
    }
    sections.back().values.push_back(
        {std::string(trim(line.substr(0, equals))), std::string(trim(line.substr(equals + 1)))});
  }
  return sections;
}

void write_sections(const fs::path& path, const std::vector<Section>& sections) {
  std::string text;
  for (const Section& section : sections) {
    text += "[" + section.name + "]\n";
    for (const auto& [key, value] : section.values) text += key + " = " + value + "\n";
    text += "\n";
  }
  write_private(path, text);
}

std::string value_of(const Section& section, const std::string& key) {
  for (const auto& [name, value] : section.values) {
    if (name == key) return value;
  }
  return "";
}

std::string active_token(const Settings& settings) {
  return fs::exists(settings.token_file) ? token_in(read_small_file(settings.token_file), settings.token_file.string())
                                         : "";
}

}  // namespace

Token find_token(const Settings& settings, const std::string& given) {
  if (!given.empty()) return {token_in(given, "--token"), "--token"};
  if (!settings.implicit_token) return {};
  for (const char* name : {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"}) {
    const char* value = std::getenv(name);
    if (value == nullptr) continue;
    if (std::string token = token_in(value, name); !token.empty()) return {std::move(token), name};
  }
  if (std::string token = active_token(settings); !token.empty())
    return {std::move(token), settings.token_file.string()};
  return {};
}

std::string redacted(const std::string& token) {
  return token.size() < 12 ? "…" : token.substr(0, 3) + "…" + token.substr(token.size() - 4);
}

std::map<std::string, std::string> read_stored_tokens(const Settings& settings) {
  std::map<std::string, std::string> tokens;
  for (const Section& section : read_sections(settings.stored_tokens_file)) {
    if (std::string token = value_of(section, "hf_token"); !token.empty()) tokens[section.name] = std::move(token);
  }
  return tokens;
}

void store_token(const Settings& settings, const std::string& name, const std::string& token) {
  if (name.empty() || name.find_first_of("[]\r\n") != std::string::npos) {
    throw Error(ErrorKind::kUsage,
                "storing a token under the name \"" + name + "\": expected a name without brackets and line breaks");
  }
  std::vector<Section> sections = read_sections(settings.stored_tokens_file);
  const auto same = [&](const Section& section) { return section.name == name; };
  auto found = std::find_if(sections.begin(), sections.end(), same);
  if (found == sections.end()) found = sections.insert(sections.end(), {name, {}});
  found->values = {{"hf_token", token}};
  write_sections(settings.stored_tokens_file, sections);
  make_active(settings, token);
}

void make_active(const Settings& settings, const std::string& token) {
  if (!token.empty()) return write_private(settings.token_file, token);
  std::error_code ignored;
  fs::remove(settings.token_file, ignored);
}

void forget_token(const Settings& settings, const std::string& name) {
  if (name.empty()) {
    std::error_code ignored;
    fs::remove(settings.stored_tokens_file, ignored);
    return make_active(settings, "");
  }
  std::vector<Section> sections = read_sections(settings.stored_tokens_file);
  const auto found =
      std::find_if(sections.begin(), sections.end(), [&](const Section& section) { return section.name == name; });
  if (found == sections.end()) {
    std::string known;
    for (const Section& section : sections) known += (known.empty() ? "" : ", ") + section.name;
    throw Error(ErrorKind::kNotFound, "removing the token \"" + name +
                                          "\": no such login is stored; stored: " + (known.empty() ? "none" : known));
  }
  const bool active = value_of(*found, "hf_token") == active_token(settings);
  sections.erase(found);
  write_sections(settings.stored_tokens_file, sections);
  if (active) make_active(settings, "");
}

}  // namespace gptq::hub
