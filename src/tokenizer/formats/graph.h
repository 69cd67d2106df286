// Builders for the component objects of tokenizer.json.
#pragma once

#include <initializer_list>
#include <string>

#include "core/json_fwd.h"

namespace gptq::tokenizer::graph {

Json sequence(const char* key, Json parts);  // of "normalizers", "pretokenizers", "processors", "decoders"
Json replace(const char* text, const char* content);
Json replace_matches(const char* regex, const char* content);
Json prepend(const char* text);
Json strip_ends(bool left, bool right);                    // the normalizer
Json strip_start(const char* character);                   // the decoder: one at the start
Json metaspace(bool add_prefix, bool legacy, bool split);  // pre-tokenizer and decoder
Json split(const std::string& regex);                      // matches and gaps become words
Json split_behind_spaces();
Json byte_level(bool add_prefix_space, bool use_regex);
Json plain(const char* type);  // a component without settings

// Models without their tables.
Json bpe(const std::string& unknown, bool byte_fallback, bool ignore_merges);
Json unigram(int64_t unknown, bool byte_fallback);
Json word_piece(const std::string& unknown);

// A tokenizer.json with a model and nothing else.
Json document(Json model);

}  // namespace gptq::tokenizer::graph
