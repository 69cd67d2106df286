// JSON with its definition, for source files; headers include core/json_fwd.h, which costs a tenth of the compile time.
#pragma once

#include <nlohmann/json.hpp>

#include "core/json_fwd.h"
