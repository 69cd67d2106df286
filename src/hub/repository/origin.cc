// Parses the path of a snapshot and the metadata of its card.
#include "hub/repository/origin.h"

#include "core/json.h"
#include "core/model_files.h"
#include "hub/repository/front_matter.h"
#include "hub/repository/names.h"

namespace gptq::hub {

namespace {

std::string first_of(const FrontMatter& matter, const std::string& key) {
  const auto found = matter.find(key);
  return found == matter.end() || found->second.empty() ? "" : found->second.front();
}

}  // namespace

Origin origin_of(const fs::path& folder) {
  Origin origin;
  std::error_code ignored;
  fs::path path = fs::absolute(folder, ignored).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  const fs::path snapshots = path.parent_path();
  if (snapshots.filename() == "snapshots" && is_commit(path.filename().string())) {
    origin.id = id_of_cache_folder(snapshots.parent_path().filename().string());
    if (!origin.id.empty()) origin.commit = path.filename().string();
  }
  const fs::path card = folder / "README.md";
  if (!fs::is_regular_file(card, ignored) || !stays_in_model_folder(folder, card)) return origin;
  const FrontMatter matter = parse_front_matter(read_small_file(card));
  origin.license = first_of(matter, "license");
  origin.license_name = first_of(matter, "license_name");
  origin.license_link = first_of(matter, "license_link");
  if (const auto found = matter.find("language"); found != matter.end()) origin.languages = found->second;
  return origin;
}

Json to_json(const Origin& origin) {
  Json json;
  const auto add = [&](const char* key, const auto& value) {
    if (!value.empty()) json[key] = value;
  };
  add("id", origin.id);
  add("commit", origin.commit);
  add("license", origin.license);
  add("license_name", origin.license_name);
  add("license_link", origin.license_link);
  add("language", origin.languages);
  return json;
}

Origin origin_from_json(const Json& json, const std::string& where) {
  const JsonReader reader(json, where);
  Origin origin;
  origin.id = reader.string("id", "");
  origin.commit = reader.string("commit", "");
  origin.license = reader.string("license", "");
  origin.license_name = reader.string("license_name", "");
  origin.license_link = reader.string("license_link", "");
  if (const Json* languages = reader.find("language")) {
    for (const Json& language : *languages) {
      if (language.is_string()) origin.languages.push_back(language.get<std::string>());
    }
  }
  return origin;
}

}  // namespace gptq::hub
