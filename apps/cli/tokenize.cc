// gptq tokenize: text to token ids and back.
#include <fmt/format.h>
#include <memory>
#include <optional>
#include <sstream>

#include <gptq/gptq.h>

#include "commands.h"
#include "input.h"
#include "model.h"
#include "output.h"
#include "token_list.h"

namespace gptq::cli {

namespace {

constexpr const char* kFooter = R"(Examples:
  gptq tokenize models/demo -p 'Hello there'
  gptq tokenize models/demo -f book.txt --no-special-tokens --json
  gptq tokenize models/demo --decode --ids 1,1052,316
  gptq tokenize models/demo --jsonl rows.jsonl               each {"text": ...} becomes {"ids": [...]}
  gptq tokenize models/demo --decode --jsonl ids.jsonl       each {"ids": [...]} becomes {"text": ...}
)";

struct Arguments {
  std::string model, file, jsonl, ids;
  std::optional<std::string> text;
  bool no_special_tokens = false;
  bool decode = false;
  bool skip_special_tokens = false;
};

// "1,2,3", "[1, 2, 3]" or "1 2 3".
std::vector<TokenId> parse_ids(std::string text) {
  for (char& c : text) {
    if (c == ',' || c == '[' || c == ']') c = ' ';
  }
  std::istringstream words(text);
  std::vector<TokenId> ids;
  TokenId id = 0;
  while (words >> id) ids.push_back(id);
  if (words.eof()) return ids;
  words.clear();
  std::string rest;
  words >> rest;
  throw Error(ErrorKind::kUsage, fmt::format("'{}' is not a token id; write them like --ids 1,2,3", rest));
}

std::string decode(const Tokenizer& tokenizer, const Arguments& a, const std::vector<TokenId>& ids) {
  for (const TokenId id : ids) {
    if (id < 0 || id >= tokenizer.vocab_size()) {
      throw Error(ErrorKind::kUsage,
                  fmt::format("token id {} is outside the vocabulary, 0 to {}", id, tokenizer.vocab_size() - 1));
    }
  }
  return tokenizer.decode(ids, a.skip_special_tokens);
}

Json convert_row(const Tokenizer& tokenizer, const Arguments& a, const std::string& line, int number) {
  try {
    const Json row = Json::parse(line);
    if (a.decode) return {{"text", decode(tokenizer, a, row.at("ids").get<std::vector<TokenId>>())}};
    return {{"ids", tokenizer.encode(row.at("text").get<std::string>(), !a.no_special_tokens)}};
  } catch (const Json::exception&) {
    throw Error(ErrorKind::kVerification, fmt::format("line {} of {} is not an object with {}", number, a.jsonl,
                                                      a.decode ? "\"ids\", a list of numbers" : "\"text\", a string"));
  }
}

void convert_rows(const Tokenizer& tokenizer, const Arguments& a) {
  std::istringstream rows(read_text(a.jsonl));
  std::string line;
  for (int number = 1; std::getline(rows, line); ++number) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    put(to_text(convert_row(tokenizer, a, line, number), -1) + "\n");
  }
}

int run(const Arguments& a, const CommonOptions& common) {
  const Tokenizer tokenizer = Tokenizer::open(model_folder(a.model, common, ModelParts::kTokenizer));
  if (!a.jsonl.empty()) {
    convert_rows(tokenizer, a);
  } else if (a.decode) {
    const std::string ids = a.ids.empty() ? read_prompt(a.text.has_value(), a.text.value_or(""), a.file) : a.ids;
    const std::string text = decode(tokenizer, a, parse_ids(ids));
    common.json ? put_json({{"text", text}}) : put(text + "\n");
  } else {
    if (!a.ids.empty()) throw Error(ErrorKind::kUsage, "--ids goes with --decode");
    const std::string text = read_prompt(a.text.has_value(), a.text.value_or(""), a.file);
    const std::vector<TokenId> ids = tokenizer.encode(text, !a.no_special_tokens);
    common.json ? put_json(tokens_json(tokenizer, ids), -1) : put(tokens_text(tokenizer, ids));
  }
  return 0;
}

}  // namespace

Action add_tokenize(CLI::App& app, const CommonOptions& common) {
  const auto arguments = std::make_shared<Arguments>();
  add_model_argument(app, arguments->model);
  app.add_option("-p,--prompt", arguments->text, "The text, or the ids with --decode (default: standard input)")
      ->type_name("TEXT");
  app.add_option("-f,--file", arguments->file, "Read it from a file; - for standard input")->type_name("FILE");
  app.add_option("--jsonl", arguments->jsonl,
                 "Convert a file row by row, one JSON object per line; - for standard input")
      ->type_name("FILE");
  app.add_flag("--no-special-tokens", arguments->no_special_tokens,
               "Leave out what the tokenizer adds around a text, such as BOS (default: added)");
  app.add_flag("--decode", arguments->decode, "From ids to text (default: from text to ids)");
  app.add_option("--ids", arguments->ids, "The ids to decode")->type_name("1,2,3");
  app.add_flag("--skip-special-tokens", arguments->skip_special_tokens,
               "Leave special tokens out of decoded text (default: kept)");
  app.footer(kFooter);
  return [arguments, &common] { return run(*arguments, common); };
}

}  // namespace gptq::cli
