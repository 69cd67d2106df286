// Suggestions for a name that the Hub does not know.
#pragma once

#include <string>

#include "hub/http/session.h"
#include "hub/repository/names.h"

namespace gptq::hub {

// Text to append to an error: "; did you mean org/tiny-v2?" for a repository, "; it has main, v1.0" for a revision, ""
// for anything else and when the Hub does not answer. One request without retries; throws Error(kInterrupted) only.
std::string suggestion(const Session& session, HttpClient& client, const ModelName& name, const HttpResponse& refusal);

}  // namespace gptq::hub
