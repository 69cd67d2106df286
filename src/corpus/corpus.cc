// The public functions of corpus.h: files and folders to rows, rows to tokens.
#include <gptq/corpus.h>

#include <algorithm>
#include <optional>
#include <utility>

#include <gptq/chat.h>
#include <gptq/error.h>

#include "core/file.h"
#include "core/json.h"
#include "corpus/rows.h"
#include "corpus/text_source.h"

namespace gptq::corpus {

namespace {

std::string count(size_t n, const std::string& things) {
  return std::to_string(n) + " " + things + (n == 1 ? "" : "s");
}

class Reader {
 public:
  Reader(const std::string& model, const Tokenizer& tokenizer) : model_(model), tokenizer_(tokenizer) {}

  void read(std::string bytes, const std::string& name) { read_text(decode_text(std::move(bytes), name), name); }

  void read_row(const CorpusRow& source, const std::string& where) {
    Row row;
    row.where = where;
    if (source.kind == CorpusRow::Kind::kTokens) {
      row.kind = Row::Kind::kTokens;
      row.ids.assign(source.tokens.begin(), source.tokens.end());
    } else if (source.kind == CorpusRow::Kind::kText) {
      row.text = source.text;
    } else if (!corpus::read_row(parse_ordered_json(standard_json(source.text), where), row)) {
      ++empty_rows_;
      return;
    }
    if (row.ids.empty() && row.text.empty() && row.kind != Row::Kind::kConversation) {
      ++empty_rows_;
      return;
    }
    add(row, false);
  }

  // Files that are not text are omitted.
  void read_folder(const std::string& folder, const std::vector<std::string>& files) {
    size_t found = 0;
    for (const std::string& file : files) {
      std::string text;
      try {
        text = decode_text(read_file(file), file);
      } catch (const Error& error) {
        if (error.kind() != ErrorKind::kVerification && error.kind() != ErrorKind::kPermission) throw;
        corpus_.notes.push_back("left out: " + std::string(error.what()));
        continue;
      }
      ++found;
      read_text(text, file);
    }
    if (found > 0) return;
    throw Error(ErrorKind::kNotFound, "reading the folder " + folder + ": none of its " + count(files.size(), "file") +
                                          " is text; use text, JSON lines or CSV");
  }

  Corpus take() {
    if (empty_rows_ > 0) corpus_.notes.push_back(count(empty_rows_, "row") + " without text left out");
    if (without_tools_ > 0) {
      corpus_.notes.push_back("the chat template ignores tools: those of " + count(without_tools_, "row") +
                              " left out");
    }
    if (merged_ > 0) {
      corpus_.notes.push_back("the chat template has no system role: the system text of " + count(merged_, "row") +
                              " is prepended to the first user message");
    }
    return std::move(corpus_);
  }

 private:
  void read_text(const std::string& text, const std::string& name) {
    const size_t skipped = read_rows(text, name, [&](Row& row) { add(row, row.where == name); });
    if (skipped > 0) corpus_.notes.push_back(name + ": " + count(skipped, "row") + " without text left out");
  }

  void add(Row& row, bool whole_file) {
    std::vector<TokenId> tokens;
    switch (row.kind) {
      case Row::Kind::kText:
        tokens = whole_file ? tokenizer_.encode(row.text) : tokenizer_.encode_prompt(row.text);
        break;
      case Row::Kind::kConversation: tokens = converse(row); break;
      case Row::Kind::kTokens: tokens = check_ids(row); break;
    }
    corpus_.tokens.insert(corpus_.tokens.end(), tokens.begin(), tokens.end());
    corpus_.documents.push_back({tokens.size(), !whole_file, row.kind == Row::Kind::kTokens});
  }

  std::vector<TokenId> converse(const Row& row) {
    if (!template_ && !row.text.empty() && no_template_) return tokenizer_.encode_prompt(row.text);
    try {
      if (!template_) template_ = ChatTemplate::open(model_);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::kNotFound || row.text.empty()) throw;
      no_template_ = true;
      return tokenizer_.encode_prompt(row.text);
    }
    RenderOptions options;
    options.add_generation_prompt = false;
    if (!row.tools->is_null()) options.tools = row.tools->dump();
    try {
      if (!row.tools->is_null() && !template_->abilities().tools) ++without_tools_;
      if (!template_->abilities().system_role && (*row.messages)[0].value("role", "") == "system") ++merged_;
      return tokenizer_.encode(template_->render_json(row.messages->dump(), options));
    } catch (const Error& error) {
      throw Error(ErrorKind::kVerification, "reading " + row.where + ": " + error.what());
    } catch (const OrderedJson::exception&) {
      throw Error(ErrorKind::kVerification, "reading " + row.where + ": \"role\" of a message is not a string");
    }
  }

  std::vector<TokenId> check_ids(const Row& row) const {
    std::vector<TokenId> ids;
    for (const int64_t id : row.ids) {
      if (id < 0 || id >= tokenizer_.vocab_size()) {
        throw Error(ErrorKind::kVerification, "reading " + row.where + ": \"input_ids\" holds " + std::to_string(id) +
                                                  ", the model's tokens are 0 to " +
                                                  std::to_string(tokenizer_.vocab_size() - 1) +
                                                  "; the row was made for another model");
      }
      ids.push_back(static_cast<TokenId>(id));
    }
    return ids;
  }

  std::string model_;
  const Tokenizer& tokenizer_;
  std::optional<ChatTemplate> template_;
  bool no_template_ = false;
  size_t without_tools_ = 0, merged_ = 0, empty_rows_ = 0;
  Corpus corpus_;
};

// "org/name", or a URL of the Hub.
bool looks_like_data_set(const std::string& path) {
  if (path.find("://") != std::string::npos) return true;
  return std::count(path.begin(), path.end(), '/') == 1 && path.front() != '/' && path.front() != '.' &&
         path.back() != '/' && !fs::exists(fs::path(path).parent_path());
}

void check_path(const std::string& path) {
  std::error_code ignored;
  const fs::file_status status = fs::status(path, ignored);
  if (status.type() == fs::file_type::not_found && looks_like_data_set(path)) {
    throw Error(ErrorKind::kNotFound,
                "opening " + path +
                    ": No such file or directory; data sets on the Hub are not downloaded: download one "
                    "of its files (hf download --repo-type dataset " +
                    path + ") and pass the file, or check the path");
  }
  if (fs::exists(status) && !fs::is_regular_file(status) && !fs::is_directory(status)) {
    throw Error(ErrorKind::kVerification, "opening " + path + ": it is " +
                                              (fs::is_fifo(status) ? "a pipe" : "a device") +
                                              ", expected a regular file or a folder; save the text to a file");
  }
}

std::vector<std::string> files_of(const std::string& folder) {
  std::vector<std::string> files;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    std::error_code ignored;
    if (entry.path().filename().string()[0] != '.' && entry.is_regular_file(ignored)) files.push_back(entry.path());
  }
  if (error) throw_system_error("opening", folder, error.value());
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

}  // namespace gptq::corpus

namespace gptq {

Corpus read_corpus(const std::vector<std::string>& paths, const std::string& model, const Tokenizer& tokenizer) {
  corpus::Reader reader(model, tokenizer);
  for (const std::string& path : paths) {
    corpus::check_path(path);
    if (!fs::is_directory(path)) {
      reader.read(read_file(path), path);
      continue;
    }
    reader.read_folder(path, corpus::files_of(path));
  }
  return reader.take();
}

Corpus tokenize_rows(const std::vector<CorpusRow>& rows, const std::string& model, const Tokenizer& tokenizer) {
  corpus::Reader reader(model, tokenizer);
  for (size_t i = 0; i < rows.size(); ++i) {
    try {
      reader.read_row(rows[i], "row " + std::to_string(i + 1));
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::kVerification) throw Error(ErrorKind::kUsage, error.what());
      throw;
    }
  }
  return reader.take();
}

Corpus parse_corpus(std::string bytes, const std::string& name, const std::string& model, const Tokenizer& tokenizer) {
  corpus::Reader reader(model, tokenizer);
  reader.read(std::move(bytes), name);
  return reader.take();
}

}  // namespace gptq
