// What the processor and its memory do at most, with all threads of a pool.
#pragma once

#include "backend/backend.h"
#include "core/threads.h"

namespace gptq::backend {

Backend::Limits measure_cpu(ThreadPool& pool);

}  // namespace gptq::backend
