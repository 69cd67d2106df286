// The access token: where it is found, and the logins stored on this machine.
#pragma once

#include <map>
#include <string>

#include "hub/http/settings.h"

namespace gptq::hub {

// Never printed or logged; `source` is where it was found, for errors.
struct Token {
  std::string value;   // "" when there is none
  std::string source;  // "--token", "HF_TOKEN", a path
};

// The first of: `given`, HF_TOKEN, HUGGING_FACE_HUB_TOKEN, the token file. Surrounding white space is removed. With
// HF_HUB_DISABLE_IMPLICIT_TOKEN only `given` is used.
Token find_token(const Settings& settings, const std::string& given);

std::string redacted(const std::string& token);  // "hf_…wxyz"

// The stored_tokens file of huggingface_hub: sections [name] with hf_token = value.
std::map<std::string, std::string> read_stored_tokens(const Settings& settings);
void store_token(const Settings& settings, const std::string& name,
                 const std::string& token);                            // and makes it the active one
void make_active(const Settings& settings, const std::string& token);  // "": none

// Removes one stored token; "" removes all. If the active one is among them, it is removed too.
void forget_token(const Settings& settings, const std::string& name);

}  // namespace gptq::hub
