// What else a name that the Hub does not know could have meant.
#pragma once

#include <string>

#include "hub/http/session.h"
#include "hub/repository/names.h"

namespace gptq::hub {

// Behind a refusal: "; did you mean org/tiny-v2?" for a repository, "; it has main, v1.0" for a revision, "" for
// anything else and when the Hub does not say. One request, asked once; throws Error(kInterrupted) only.
std::string suggestion(const Session& session, HttpClient& client, const ModelName& name, const HttpResponse& refusal);

}  // namespace gptq::hub
