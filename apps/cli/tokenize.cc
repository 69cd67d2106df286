// gptq tokenize: text to token ids, their spellings and their places in the text.
#include <fmt/format.h>
#include <memory>
#include <optional>

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

Every line is a token: its id, its spelling in the vocabulary, and the characters of the text that it stands
for, from the first to the one behind the last. See also: gptq detokenize.
)";

struct TokenizeArguments {
  std::string model, file, jsonl;
  std::optional<std::string> text;
  bool no_special_tokens = false;
  bool offsets = false;
};

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
  if (a.offsets) throw Error(ErrorKind::kUsage, "--offsets goes with --jsonl; for a single text they are always shown");
  const std::string text = read_prompt(a.text.has_value(), a.text.value_or(""), a.file);
  const Encoding encoding = tokenizer.encode_with_offsets(text, special);
  common.json ? put_json(tokens_json(tokenizer, encoding), -1) : put(tokens_text(tokenizer, encoding));
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
               "Leave out what the tokenizer adds around a text, such as BOS (default: added)");
  app.add_flag("--offsets", arguments->offsets, "With --jsonl: rows get \"offsets\" too (default: ids only)");
  app.footer(kTokenizeFooter);
  return [arguments, &common] { return run_tokenize_command(*arguments, common); };
}

}  // namespace gptq::cli
