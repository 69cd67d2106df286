// gptq detokenize: token ids back to text.
#include <fmt/format.h>
#include <charconv>
#include <limits>
#include <memory>
#include <sstream>

#include <gptq/gptq.h>

#include "commands.h"
#include "input.h"
#include "model.h"
#include "output.h"
#include "rows.h"

namespace gptq::cli {

namespace {

constexpr const char* kDetokenizeFooter = R"(Examples:
  gptq detokenize models/demo --ids 1,1052,316
  gptq detokenize models/demo -f ids.txt --skip-special-tokens
  gptq detokenize models/demo --jsonl ids.jsonl              each {"ids": [...]} becomes {"text": ...}
)";

struct DetokenizeArguments {
  std::string model, file, jsonl, ids;
  bool skip_special_tokens = false;
};

// "1,2,3", "[1, 2, 3]" or "1 2 3".
std::vector<TokenId> parse_ids(std::string text) {
  for (char& c : text) {
    if (c == ',' || c == '[' || c == ']') c = ' ';
  }
  std::istringstream words(text);
  std::vector<TokenId> ids;
  for (std::string word; words >> word;) {
    TokenId id = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), id);
    if (error != std::errc() || end != word.data() + word.size()) {
      throw Error(ErrorKind::kUsage, fmt::format("'{}' is not a token id; expected ids like --ids 1,2,3", word));
    }
    ids.push_back(id);
  }
  return ids;
}

// Whole numbers only: the JSON library would round 1.5 and truncate large numbers.
std::vector<TokenId> ids_of(const Json& row) {
  std::vector<TokenId> ids;
  for (const Json& id : row.at("ids")) {
    const bool fits = id.is_number_integer() && id >= 0 && id <= std::numeric_limits<TokenId>::max();
    if (!fits) throw Error(ErrorKind::kUsage, fmt::format("{} is not a token id", id.dump()));
    ids.push_back(id.get<TokenId>());
  }
  return ids;
}

std::string decode(const Tokenizer& tokenizer, const DetokenizeArguments& a, const std::vector<TokenId>& ids) {
  for (const TokenId id : ids) {
    if (id < 0 || id >= tokenizer.vocab_size()) {
      throw Error(ErrorKind::kUsage,
                  fmt::format("token id {} is outside the vocabulary, 0 to {}", id, tokenizer.vocab_size() - 1));
    }
  }
  return tokenizer.decode(ids, a.skip_special_tokens);
}

int run_detokenize_command(const DetokenizeArguments& a, const CommonOptions& common) {
  const Tokenizer tokenizer = Tokenizer::open(model_folder(a.model, common, ModelParts::kTokenizer));
  if (!a.jsonl.empty()) {
    convert_rows(a.jsonl, "\"ids\", a list of numbers", [&](const Json& row) -> Json {
      return {{"text", decode(tokenizer, a, ids_of(row))}};
    });
    return 0;
  }
  const std::string text = decode(tokenizer, a, parse_ids(a.ids.empty() ? read_prompt(false, "", a.file) : a.ids));
  common.json ? put_json({{"text", text}}) : put(text + "\n");
  return 0;
}

}  // namespace

Action add_detokenize(CLI::App& app, const CommonOptions& common) {
  const auto arguments = std::make_shared<DetokenizeArguments>();
  add_model_argument(app, arguments->model);
  app.add_option("--ids", arguments->ids, "The ids (default: standard input)")->type_name("1,2,3");
  app.add_option("-f,--file", arguments->file, "Read them from a file; - for standard input")->type_name("FILE");
  app.add_option("--jsonl", arguments->jsonl,
                 "Convert a file row by row, one JSON object per line; - for standard input")
      ->type_name("FILE");
  app.add_flag("--skip-special-tokens", arguments->skip_special_tokens, "Omit special tokens (default: kept)");
  app.footer(kDetokenizeFooter);
  return [arguments, &common] { return run_detokenize_command(*arguments, common); };
}

}  // namespace gptq::cli
