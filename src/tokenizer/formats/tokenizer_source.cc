// Finds the tokenizer file of a folder; reads tokenizer.json itself.
#include "tokenizer/formats/tokenizer_source.h"

#include <algorithm>
#include <vector>

#include <gptq/error.h>

#include "core/model_files.h"

namespace gptq::tokenizer {

namespace {

// A folder has at most one of these in practice; otherwise the first by name is used.
fs::path find_tiktoken(const fs::path& folder) {
  std::vector<fs::path> found;
  if (fs::is_directory(folder)) {
    for (const auto& entry : fs::directory_iterator(folder)) {
      const fs::path& path = entry.path();
      if (path.extension() == model_file::kTiktokenEnding || path.filename() == model_file::kTiktokenModel)
        found.push_back(path);
    }
  }
  std::sort(found.begin(), found.end());
  return found.empty() ? fs::path() : found.front();
}

// transformers rebuilds the frame of these classes from add_bos_token and add_eos_token.
bool obeys_bos_and_eos(const std::string& tokenizer_class) {
  static const char* const kClasses[] = {
      "", "CodeLlamaTokenizer", "CohereTokenizer", "GPTNeoXTokenizer", "GemmaTokenizer", "LlamaTokenizer"};
  return std::find(std::begin(kClasses), std::end(kClasses), tokenizer_class) != std::end(kClasses);
}

std::string_view text_of(const MappedFile& file) {
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

}  // namespace

TokenizerSource read_tokenizer_json(std::string_view text, const std::string& what, TokenizerConfig& config) {
  TokenizerSource source{what, {}, {}};
  source.json = parse_json(text, what, source.tables.taps());
  if (!obeys_bos_and_eos(config.tokenizer_class)) {
    config.add_bos_token.reset();
    config.add_eos_token.reset();
  }
  return source;
}

TokenizerSource open_source(const fs::path& folder, TokenizerConfig& config) {
  using namespace model_file;
  const auto has = [&](const char* name) { return fs::exists(folder / name); };
  const auto name_of = [&](const char* name) { return (folder / name).string(); };
  if (has(kTokenizerJson)) {
    return read_tokenizer_json(text_of(MappedFile(folder / kTokenizerJson)), name_of(kTokenizerJson), config);
  }
  if (has(kTekken)) return read_tekken(read_file(folder / kTekken), name_of(kTekken), config);
  if (has(kTokenizerModel)) {
    const std::string bytes = read_file(folder / kTokenizerModel);
    const auto read = is_tiktoken(bytes) ? read_tiktoken : read_sentencepiece;
    return read(bytes, name_of(kTokenizerModel), config);
  }
  if (const fs::path path = find_tiktoken(folder); !path.empty()) {
    return read_tiktoken(read_file(path), path.string(), config);
  }
  for (const auto& [vocab, merges] : {std::pair(kVocabJson, kMerges), std::pair(kEncoderJson, kVocabBpe)}) {
    if (!has(vocab) || !has(merges)) continue;
    return read_vocab_and_merges(read_file(folder / vocab), read_file(folder / merges), name_of(vocab), config);
  }
  if (has(kVocabText)) return read_bert_vocab(read_file(folder / kVocabText), name_of(kVocabText), config);
  throw Error(
      ErrorKind::kNotFound,
      "opening the tokenizer of " + folder.string() +
          ": found none of tokenizer.json, tekken.json, tokenizer.model, *.tiktoken, tiktoken.model, vocab.json "
          "with merges.txt, encoder.json with vocab.bpe, vocab.txt; fetch the tokenizer's files with the model");
}

}  // namespace gptq::tokenizer
