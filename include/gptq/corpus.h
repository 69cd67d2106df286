// Text files of several formats as tokens: for calibration and for perplexity.
#pragma once

#include <string>
#include <vector>

#include <gptq/tokenizer.h>

namespace gptq {

struct Corpus {
  struct Document {
    size_t tokens = 0;
    bool row = false;  // a row of a table or of JSON; false: a plain text file
  };

  std::vector<TokenId> tokens;  // of all documents, concatenated, each with its own special tokens
  std::vector<Document> documents;
  std::vector<std::string> notes;  // sentences for the user: what was skipped, and how often
};

// Reads files, and the files of folders in the order of their names. Formats are detected from the content: gzip and
// zstd are decompressed, UTF-16 is converted; then JSON lines, a JSON array, CSV or TSV with a header, or plain text,
// which is one document.
//
// A row is one document: "text" or "content"; "messages" or "conversations" (with "tools"), rendered by the chat
// template of `model`; "prompt" with "completion" or "response"; "instruction" with "input" and "output" (a
// conversation when the model has a template); "input_ids"; a bare string. Rows whose value is null or empty are
// skipped and counted in a note.
//
// Throws Error(kNotFound | kPermission) for a path, and Error(kVerification) naming file, line and the keys found for
// data that is not text (parquet, Arrow, other encodings, anything with zero bytes: the message says how to convert
// it), rows of an unknown form, and conversations that the template rejects.
Corpus read_corpus(const std::vector<std::string>& paths, const std::string& model, const Tokenizer& tokenizer);

// The same from the bytes of one file; `name` is used in errors.
Corpus parse_corpus(std::string bytes, const std::string& name, const std::string& model, const Tokenizer& tokenizer);

}  // namespace gptq
