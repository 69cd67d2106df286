// Which files of a model folder go with its weights: one table for downloads, tokenizers and the writer of checkpoints.
#pragma once

#include <span>
#include <string_view>

#include "core/file.h"

namespace gptq {

enum class FileRole {
  kConfig,        // config.json and what older tools wrote beside it; a new checkpoint gets its own
  kGeneration,    // generation_config.json
  kTokenizer,     // every file that opening a tokenizer reads
  kChatTemplate,  // template files beside the tokenizer's configuration
  kLicence,       // what must go with copies
  kCard,          // README.md
};

// Names that opening a tokenizer asks for, in src/tokenizer/formats.
namespace model_file {
inline constexpr const char* kTokenizerJson = "tokenizer.json";
inline constexpr const char* kTekken = "tekken.json";
inline constexpr const char* kTokenizerModel = "tokenizer.model";
inline constexpr const char* kTiktokenModel = "tiktoken.model";
inline constexpr const char* kTiktokenEnding = ".tiktoken";
inline constexpr const char* kVocabJson = "vocab.json";
inline constexpr const char* kMerges = "merges.txt";
inline constexpr const char* kEncoderJson = "encoder.json";
inline constexpr const char* kVocabBpe = "vocab.bpe";
inline constexpr const char* kVocabText = "vocab.txt";
}  // namespace model_file

struct ModelFile {
  std::string_view pattern;  // a path in the folder with at most one '*', which also crosses slashes
  FileRole role;
};

std::span<const ModelFile> model_files();

// The row whose pattern `path` (relative, with '/') fits, nullptr when there is none.
const ModelFile* find_model_file(std::string_view path);

// True when `path` is no link, or leads to a file inside `folder`; also when `folder` is a snapshot of the Hub's cache
// (.../snapshots/COMMIT) and the file is one of the blobs beside it. A folder from others may have links to files of
// ours, which must go nowhere with a copy.
bool stays_in_model_folder(const fs::path& folder, const fs::path& path);

}  // namespace gptq
