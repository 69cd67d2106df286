// Where a model folder came from and under which terms it may be passed on.
#pragma once

#include <string>
#include <vector>

#include "core/file.h"
#include "core/json_fwd.h"

namespace gptq::hub {

// Every field may be empty.
struct Origin {
  std::string id, commit;  // of a folder that the Hub's cache holds
  std::string license, license_name, license_link;
  std::vector<std::string> languages;
};

// The names come from the path (.../models--org--name/snapshots/COMMIT), the terms from README.md. Never throws for
// what is not there.
Origin origin_of(const fs::path& folder);

// As `meta.base_model` of quantize_config.json; null when nothing is known.
Json to_json(const Origin& origin);
Origin origin_from_json(const Json& json, const std::string& where);  // throws Error(kVerification)

}  // namespace gptq::hub
