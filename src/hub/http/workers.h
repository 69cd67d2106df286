// Several connections at work on one list of tasks.
#pragma once

#include <cstddef>
#include <functional>

#include "hub/http/http.h"
#include "hub/http/settings.h"
#include "hub/http/transfer_monitor.h"

namespace gptq::hub {

// Calls task(client, i) for every i below `count`, in order of their beginning, on at most `workers` threads, each with
// a connection of its own. The first exception stops the meter, and with it the others, and is thrown here. `on_idle`
// is called once for each of `workers` when it has nothing more to do.
void run_workers(
    size_t count, int workers, const Settings& settings, TransferMonitor& monitor,
    const std::function<void(HttpClient& client, size_t i)>& task, const std::function<void()>& on_idle = [] {});

}  // namespace gptq::hub
