// Pulling a model, with everything that tests replace given from outside.
#pragma once

#include <gptq/hub.h>

#include "hub/repository/listing.h"

namespace gptq::hub {

// gptq::pull() with a session: its keep_going is taken over by the sink.
PullResult pull(Session session, const ModelName& name, const PullOptions& options, const TransferSink& on_progress);

}  // namespace gptq::hub
