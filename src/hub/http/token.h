// The access token: where it comes from, and the logins that this machine stores.
#pragma once

#include <map>
#include <string>

#include "hub/http/settings.h"

namespace gptq::hub {

// Never printed or logged; `source` names where it came from, for errors.
struct Token {
  std::string value;   // "" when there is none
  std::string source;  // "--token", "HF_TOKEN", a path
};

// The first that is there: `given`, HF_TOKEN, HUGGING_FACE_HUB_TOKEN, the token file. Line breaks and spaces around it
// are removed. With HF_HUB_DISABLE_IMPLICIT_TOKEN only `given` counts.
Token find_token(const Settings& settings, const std::string& given);

std::string redacted(const std::string& token);  // "hf_…wxyz"

// The stored_tokens file of huggingface_hub: sections [name] with hf_token = value.
std::map<std::string, std::string> read_stored_tokens(const Settings& settings);
void store_token(const Settings& settings, const std::string& name,
                 const std::string& token);                            // and makes it the active one
void make_active(const Settings& settings, const std::string& token);  // "": none

// Drops one stored token, or with "" all of them; the active one goes too when it is among them.
void forget_token(const Settings& settings, const std::string& name);

}  // namespace gptq::hub
