// Reading config.json: the fields every family shares, in the dialects of transformers 4 and 5.
#pragma once

#include <string>
#include <vector>

#include "core/json_fwd.h"
#include "model/architecture.h"

namespace gptq {

// Sizes, norms, RoPE and tying. Missing fields take transformers' defaults; impossible values, of which
// nothing is allocated or computed, throw Error(kVerification) naming the key.
Architecture read_common(const JsonReader& config);

// `rope_parameters` (v5), else `rope_theta` + `rope_scaling` (v4).
RopeSpec read_rope(const JsonReader& config, int64_t context_length);

// Tokens of the sliding window, 0 for full attention.
int64_t read_window(const JsonReader& config, int64_t fallback);

// Token ids that end an answer: an integer, a list, or absent.
std::vector<int> read_token_ids(const JsonReader& config, const char* key);

// Warns about fields we do not know whose names suggest that they change the arithmetic: a silently ignored
// field is the most common source of wrong output.
void warn_about_unknown_fields(const JsonReader& config);

}  // namespace gptq
