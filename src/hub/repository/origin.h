// Origin and licence of a model folder.
#pragma once

#include <string>
#include <vector>

#include "core/file.h"
#include "core/json_fwd.h"

namespace gptq::hub {

// Every field may be "".
struct Origin {
  std::string id, commit;  // of a folder in the Hub's cache
  std::string license, license_name, license_link;
  std::vector<std::string> languages;
};

// The name comes from the path (.../models--org--name/snapshots/COMMIT), the licence from README.md. Missing
// information is not an error.
Origin origin_of(const fs::path& folder);

// As `meta.base_model` of quantize_config.json; null when nothing is known.
Json to_json(const Origin& origin);
Origin origin_from_json(const Json& json, const std::string& where);  // throws Error(kVerification)

}  // namespace gptq::hub
