// Downloading a model with an explicit session, so that tests can replace its parts.
#pragma once

#include <gptq/hub.h>

#include "hub/repository/listing.h"

namespace gptq::hub {

// gptq::pull() with a session; session.should_continue is replaced by the progress callback.
PullResult pull(Session session, const ModelName& name, const PullOptions& options, const TransferSink& on_progress);

}  // namespace gptq::hub
