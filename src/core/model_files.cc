// The table of model files, and the check of links.
#include "core/model_files.h"

#include <algorithm>
#include <system_error>

namespace gptq {

namespace {

constexpr ModelFile kFiles[] = {
    {"config.json", FileRole::kConfig},
    {"quantize_config.json", FileRole::kConfig},
    {"quant_config.json", FileRole::kConfig},
    {"generation_config.json", FileRole::kGeneration},
    {model_file::kTokenizerJson, FileRole::kTokenizer},
    {"tokenizer_config.json", FileRole::kTokenizer},
    {"special_tokens_map.json", FileRole::kTokenizer},
    {"added_tokens.json", FileRole::kTokenizer},
    {model_file::kVocabJson, FileRole::kTokenizer},
    {model_file::kMerges, FileRole::kTokenizer},
    {model_file::kEncoderJson, FileRole::kTokenizer},
    {model_file::kVocabBpe, FileRole::kTokenizer},
    {model_file::kVocabText, FileRole::kTokenizer},
    {model_file::kTekken, FileRole::kTokenizer},
    {"*.model", FileRole::kTokenizer},
    {"*.tiktoken", FileRole::kTokenizer},
    {"chat_template.jinja", FileRole::kChatTemplate},
    {"chat_template.json", FileRole::kChatTemplate},
    {"additional_chat_templates/*", FileRole::kChatTemplate},
    {"LICENSE*", FileRole::kLicence},
    {"NOTICE*", FileRole::kLicence},
    {"README.md", FileRole::kCard},
};

bool fits(std::string_view pattern, std::string_view path) {
  const size_t star = pattern.find('*');
  if (star == pattern.npos) return path == pattern;
  const std::string_view head = pattern.substr(0, star), tail = pattern.substr(star + 1);
  return path.size() >= head.size() + tail.size() && path.starts_with(head) && path.ends_with(tail);
}

bool is_below(const fs::path& folder, const fs::path& path) {
  return std::mismatch(folder.begin(), folder.end(), path.begin(), path.end()).first == folder.end();
}

}  // namespace

std::span<const ModelFile> model_files() { return kFiles; }

const ModelFile* find_model_file(std::string_view path) {
  const auto* found = std::find_if(std::begin(kFiles), std::end(kFiles),
                                   [&](const ModelFile& file) { return fits(file.pattern, path); });
  return found == std::end(kFiles) ? nullptr : found;
}

bool stays_in_model_folder(const fs::path& folder, const fs::path& path) {
  std::error_code failure;
  const fs::path top = fs::canonical(folder, failure);
  if (failure) return false;
  const fs::path target = fs::canonical(path, failure);
  if (failure) return false;
  if (is_below(top, target)) return true;
  return top.parent_path().filename() == "snapshots" && is_below(top.parent_path().parent_path() / "blobs", target);
}

}  // namespace gptq
