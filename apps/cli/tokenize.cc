// gptq tokenize: text to token ids, spellings and offsets.
#include <fmt/format.h>
#include <cstdint>
#include <deque>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <gptq/gptq.h>

#include "commands.h"
#include "input.h"
#include "model.h"
#include "output.h"
#include "rows.h"
#include "token_list.h"

namespace gptq::cli {

namespace {

constexpr const char* kTokenizeFooter = R"(Examples:
  gptq tokenize models/demo -p 'Hello there'
  gptq tokenize models/demo -f book.txt --no-special-tokens --json
  gptq tokenize models/demo --jsonl rows.jsonl               each {"text": ...} becomes {"ids": [...]}
  gptq tokenize models/demo --jsonl rows.jsonl --offsets     ... and "offsets": [[begin, end], ...]

Every line is a token: its id, its spelling in the vocabulary, and its range of characters in the text, the end
excluded. See also: gptq detokenize.
)";

struct TokenizeArguments {
  std::string model, file, jsonl;
  std::optional<std::string> text;
  bool no_special_tokens = false;
  bool offsets = false;
};

// Prints in blocks, so that the tokens of a long text are never all in memory as text.
class BlockWriter {
 public:
  std::string& text() { return block_; }
  void end_item() {
    constexpr size_t kBlock = 1 << 16;
    if (block_.size() >= kBlock) flush();
  }
  void flush() {
    put(block_);
    block_.clear();
  }

 private:
  std::string block_;
};

void print_tokens(const Tokenizer& tokenizer, const std::string& text, bool special) {
  BlockWriter out;
  tokenizer.encode_with_offsets(text, special, [&](TokenId id, size_t begin, size_t end) {
    append_token(out.text(), tokenizer, id);
    fmt::format_to(std::back_inserter(out.text()), "\t{}-{}\n", begin, end);
    out.end_item();
  });
  out.flush();
}

// {"ids": [...], "tokens": [...], "offsets": [[begin, end], ...]}
void print_tokens_json(const Tokenizer& tokenizer, const std::string& text, bool special) {
  std::deque<TokenId> ids;                            // grow without copies
  std::deque<std::pair<uint32_t, uint32_t>> offsets;  // a text has at most 512 MiB
  tokenizer.encode_with_offsets(text, special, [&](TokenId id, size_t begin, size_t end) {
    ids.push_back(id);
    offsets.emplace_back(static_cast<uint32_t>(begin), static_cast<uint32_t>(end));
  });
  BlockWriter out;
  const auto list = [&](const char* name, const auto& append_item) {
    out.text() += name;
    for (size_t i = 0; i < ids.size(); ++i) {
      if (i > 0) out.text() += ',';
      append_item(i);
      out.end_item();
    }
  };
  list("{\"ids\":[", [&](size_t i) { out.text() += fmt::format_int(ids[i]).c_str(); });
  list("],\"tokens\":[", [&](size_t i) { out.text() += to_text(tokenizer.token(ids[i]), -1); });
  list("],\"offsets\":[", [&](size_t i) {
    fmt::format_to(std::back_inserter(out.text()), "[{},{}]", offsets[i].first, offsets[i].second);
  });
  out.text() += "]}\n";
  out.flush();
}

int run_tokenize_command(const TokenizeArguments& a, const CommonOptions& common) {
  const Tokenizer tokenizer = Tokenizer::open(model_folder(a.model, common, ModelParts::kTokenizer));
  const bool special = !a.no_special_tokens;
  if (!a.jsonl.empty()) {
    convert_rows(a.jsonl, "\"text\", a string", [&](const Json& row) -> Json {
      const auto text = row.at("text").get<std::string>();
      if (!a.offsets) return {{"ids", tokenizer.encode(text, special)}};
      const Encoding encoding = tokenizer.encode_with_offsets(text, special);
      return {{"ids", encoding.ids}, {"offsets", encoding.offsets}};
    });
    return 0;
  }
  if (a.offsets) throw Error(ErrorKind::kUsage, "--offsets requires --jsonl; a single text always shows them");
  const std::string text = read_prompt(a.text.has_value(), a.text.value_or(""), a.file);
  common.json ? print_tokens_json(tokenizer, text, special) : print_tokens(tokenizer, text, special);
  return 0;
}

}  // namespace

Action add_tokenize(CLI::App& app, const CommonOptions& common) {
  const auto arguments = std::make_shared<TokenizeArguments>();
  add_model_argument(app, arguments->model);
  app.add_option("-p,--prompt", arguments->text, "The text (default: standard input)")->type_name("TEXT");
  app.add_option("-f,--file", arguments->file, "Read it from a file; - for standard input")->type_name("FILE");
  app.add_option("--jsonl", arguments->jsonl,
                 "Convert a file row by row, one JSON object per line; - for standard input")
      ->type_name("FILE");
  app.add_flag("--no-special-tokens", arguments->no_special_tokens,
               "Do not add special tokens such as BOS (default: added)");
  app.add_flag("--offsets", arguments->offsets, "With --jsonl: also write \"offsets\" (default: ids only)");
  app.footer(kTokenizeFooter);
  return [arguments, &common] { return run_tokenize_command(*arguments, common); };
}

}  // namespace gptq::cli
