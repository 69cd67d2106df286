// JSON from the network (responses, listings, index files), bounded before it is parsed.
#pragma once

#include <string>
#include <string_view>

#include "core/json_fwd.h"

namespace gptq::hub {

inline constexpr size_t kMaxValues = 100'000;           // in an ordinary response
inline constexpr size_t kMaxListingValues = 4'000'000;  // 200,000 files with all their fields

// Like parse_json, but rejects more than `max_values` values and keys, and nesting deeper than 32, before it allocates
// anything: a parsed value takes a hundred times the memory of its text. Throws Error(kVerification).
Json parse_reply(std::string_view text, const std::string& what, size_t max_values = kMaxValues);

// The same, but null for what cannot be parsed: for optional information.
Json reply_or_null(std::string_view text);

}  // namespace gptq::hub
