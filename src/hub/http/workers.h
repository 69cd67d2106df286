// Runs a list of tasks on several connections.
#pragma once

#include <cstddef>
#include <functional>

#include "hub/http/http.h"
#include "hub/http/settings.h"
#include "hub/http/transfer_monitor.h"

namespace gptq::hub {

// Calls task(client, i) for each i below `count`, started in this order, on at most `workers` threads, each with its
// own connection. The first exception stops the monitor, and with it the other workers, and is rethrown. `on_idle` is
// called once for each of `workers` when it has no more work.
void run_workers(
    size_t count, int workers, const Settings& settings, TransferMonitor& monitor,
    const std::function<void(HttpClient& client, size_t i)>& task, const std::function<void()>& on_idle = [] {});

}  // namespace gptq::hub
