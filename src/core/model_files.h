// The files of a model folder that accompany its weights: one table for downloads, tokenizers and
// the checkpoint writer.
#pragma once

#include <span>
#include <string_view>

#include "core/file.h"

namespace gptq {

enum class FileRole {
  kConfig,        // config.json and related files of older tools; a new checkpoint writes its own
  kGeneration,    // generation_config.json
  kTokenizer,     // every file that opening a tokenizer reads
  kChatTemplate,  // template files separate from the tokenizer's configuration
  kLicence,       // must accompany copies of the model
  kCard,          // README.md
};

// Names that src/tokenizer/formats opens.
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
  std::string_view pattern;  // a path in the folder with at most one '*', which also matches slashes
  FileRole role;
};

std::span<const ModelFile> model_files();

// The row whose pattern matches `path` (relative, with '/'); nullptr if there is none.
const ModelFile* find_model_file(std::string_view path);

// True when `path` is not a link, or leads to a file inside `folder`; also when `folder` is a snapshot of the Hub's
// cache (.../snapshots/COMMIT) and the file is one of its blobs. An untrusted folder may contain links to private
// files, which must not be copied or uploaded.
bool stays_in_model_folder(const fs::path& folder, const fs::path& path);

}  // namespace gptq
