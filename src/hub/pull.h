// Pulling a model, with everything that tests replace given from outside.
#pragma once

#include <gptq/hub.h>

#include "hub/listing.h"

namespace gptq::hub {

// gptq::pull() with a session: its keep_going is taken over by the sink.
PullResult pull(Session session, const ModelName& name, const PullOptions& options, const TransferSink& on_progress);

// The session of this machine and this user. Reads the token unless the session is offline.
Session open_session(const std::string& token);

}  // namespace gptq::hub
