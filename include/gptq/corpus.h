// Reads text files of several formats, and rows given by a program, and tokenizes them, for calibration and perplexity.
#pragma once

#include <string>
#include <vector>

#include <gptq/tokenizer.h>

namespace gptq {

struct Corpus {
  struct Document {
    size_t tokens = 0;
    bool row = false;  // true: a row of a table or of JSON data; false: a plain text file
    bool ids = false;  // true: given as token ids ("input_ids")
  };

  std::vector<TokenId> tokens;  // of all documents, concatenated, each with its own special tokens
  std::vector<Document> documents;
  std::vector<std::string> notes;  // messages for the user: what was skipped, and how many times
};

// Reads the given files, and the files of the given folders in the order of their names. The format is detected from
// the content: gzip and zstd are decompressed and UTF-16 is converted; the result is JSON lines, a JSON array, CSV or
// TSV with a header, or plain text, which is one document.
//
// Each row is one document: "text" or "content"; "messages" or "conversations" (with "tools"), rendered by the chat
// template of `model`; "prompt" with "completion" or "response"; "instruction" with "input" and "output" (a
// conversation when the model has a template); "input_ids"; a bare string. Rows whose value is null or empty are
// skipped and counted in a note.
//
// Throws Error(kNotFound | kPermission) for a path that cannot be read, and Error(kVerification), naming the file, the
// line and the keys found, for data that is not text (parquet, Arrow, other encodings, anything with zero bytes: the
// message says how to convert it), rows of an unknown form, and conversations that the template rejects.
Corpus read_corpus(const std::vector<std::string>& paths, const std::string& model, const Tokenizer& tokenizer);

// A row that does not come from a file.
struct CorpusRow {
  enum class Kind {
    kText,   // `text` is a text, like {"text": ...}
    kJson,   // `text` is a JSON object, as in a line of a file
    kTokens  // `tokens`, like {"input_ids": [...]}
  };
  Kind kind = Kind::kText;
  std::string text;
  std::vector<TokenId> tokens;
};

// The same for rows; they are "row 1", "row 2" ... in error messages. Throws Error(kUsage) for a wrong one.
Corpus tokenize_rows(const std::vector<CorpusRow>& rows, const std::string& model, const Tokenizer& tokenizer);

// The same for the content of one file; `name` is used in error messages.
Corpus parse_corpus(std::string bytes, const std::string& name, const std::string& model, const Tokenizer& tokenizer);

}  // namespace gptq
