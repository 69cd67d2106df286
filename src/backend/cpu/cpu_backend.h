// Creates the CPU backend, the implementation of Backend in host memory.
#pragma once

#include <memory>

#include "backend/backend.h"

namespace gptq::backend {

std::unique_ptr<Backend> make_cpu_backend(int threads);  // 0 = one thread per hardware thread

}  // namespace gptq::backend
