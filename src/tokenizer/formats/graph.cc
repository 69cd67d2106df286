// The fields of each component, as the tokenizers library writes them.
#include "tokenizer/formats/graph.h"

#include "core/json.h"

namespace gptq::tokenizer::graph {

Json sequence(const char* key, Json parts) { return {{"type", "Sequence"}, {key, std::move(parts)}}; }

Json replace(const char* text, const char* content) {
  return {{"type", "Replace"}, {"pattern", {{"String", text}}}, {"content", content}};
}

Json replace_matches(const char* regex, const char* content) {
  return {{"type", "Replace"}, {"pattern", {{"Regex", regex}}}, {"content", content}};
}

Json prepend(const char* text) { return {{"type", "Prepend"}, {"prepend", text}}; }

Json strip_ends(bool left, bool right) { return {{"type", "Strip"}, {"strip_left", left}, {"strip_right", right}}; }

Json strip_start(const char* character) {
  return {{"type", "Strip"}, {"content", character}, {"start", 1}, {"stop", 0}};
}

Json metaspace(bool add_prefix, bool legacy, bool split) {
  const char* scheme = !add_prefix ? "never" : legacy ? "always" : "first";
  return {{"type", "Metaspace"}, {"replacement", "\u2581"}, {"prepend_scheme", scheme}, {"split", split}};
}

Json split(const std::string& regex) {
  return {{"type", "Split"}, {"pattern", {{"Regex", regex}}}, {"behavior", "Isolated"}, {"invert", false}};
}

Json split_behind_spaces() {
  return {{"type", "Split"}, {"pattern", {{"String", " "}}}, {"behavior", "MergedWithPrevious"}, {"invert", false}};
}

Json byte_level(bool add_prefix_space, bool use_regex) {
  return {
      {"type", "ByteLevel"}, {"add_prefix_space", add_prefix_space}, {"trim_offsets", true}, {"use_regex", use_regex}};
}

Json plain(const char* type) { return {{"type", type}}; }

Json bpe(const std::string& unknown, bool byte_fallback, bool ignore_merges) {
  Json model = {{"type", "BPE"},
                {"vocab", Json::object()},
                {"merges", Json::array()},
                {"fuse_unk", true},
                {"byte_fallback", byte_fallback},
                {"ignore_merges", ignore_merges},
                {"unk_token", Json(nullptr)}};
  if (!unknown.empty()) model["unk_token"] = unknown;
  return model;
}

Json unigram(int64_t unknown, bool byte_fallback) {
  return {{"type", "Unigram"}, {"vocab", Json::array()}, {"unk_id", unknown}, {"byte_fallback", byte_fallback}};
}

Json word_piece(const std::string& unknown) {
  return {{"type", "WordPiece"},
          {"vocab", Json::object()},
          {"unk_token", unknown},
          {"continuing_subword_prefix", "##"},
          {"max_input_chars_per_word", 100}};
}

Json document(Json model) { return {{"added_tokens", Json::array()}, {"model", std::move(model)}}; }

}  // namespace gptq::tokenizer::graph
