// The response of /api/whoami-v2.
#pragma once

#include <gptq/hub.h>

#include <string>
#include <string_view>

namespace gptq::hub {

// Everything but token_source. Throws Error(kVerification) for a malformed response.
Identity parse_identity(std::string_view json, const std::string& where);

}  // namespace gptq::hub
