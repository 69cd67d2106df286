// Text files as people have them, turned into tokens: for calibration and for perplexity.
#pragma once

#include <string>
#include <vector>

#include <gptq/tokenizer.h>

namespace gptq {

struct Corpus {
  struct Document {
    size_t tokens = 0;
    bool row = false;  // of a table or of JSON; else a plain text file
  };

  std::vector<TokenId> tokens;  // of all documents, one after the other, each with its own special tokens
  std::vector<Document> documents;
  std::vector<std::string> notes;  // what was left out, and how often
};

// Reads files, and folders' files in the order of their names. What a file is, is decided by its bytes: gzip and
// zstd are unpacked, UTF-16 is converted; then JSON lines, a JSON array, CSV or TSV with a header, or plain text,
// which is one document.
//
// A row is one document: "text" or "content"; "messages" or "conversations" (with "tools"), rendered by the chat
// template of `model`; "prompt" with "completion" or "response"; "instruction" with "input" and "output" (a
// conversation when the model has a template); "input_ids"; a bare string. Rows whose value is null or empty are left
// out and counted in a note.
//
// Throws Error(kNotFound | kPermission) for a path, and Error(kVerification) naming file, line and the keys found: for
// data that is not text (parquet, Arrow, other encodings, anything with zero bytes: the message says how to
// convert it), rows that are none of the above, and conversations that the template refuses.
Corpus read_corpus(const std::vector<std::string>& paths, const std::string& model, const Tokenizer& tokenizer);

// The same from the bytes of one file; `name` is what errors call it.
Corpus parse_corpus(std::string bytes, const std::string& name, const std::string& model, const Tokenizer& tokenizer);

}  // namespace gptq
