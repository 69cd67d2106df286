// Uploads with an explicit session.
#pragma once

#include <gptq/hub.h>

#include <string>

#include "hub/http/session.h"

namespace gptq::hub {

PushResult push(Session session, const std::string& folder, const std::string& repo, const PushOptions& options,
                const TransferSink& on_progress);

}  // namespace gptq::hub
