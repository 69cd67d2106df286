// vocab.txt, BERT's format: one token per line, its id is the line number.
#include <gptq/error.h>

#include "core/json.h"
#include "tokenizer/formats/graph.h"
#include "tokenizer/formats/lines.h"
#include "tokenizer/formats/tokenizer_source.h"
#include "unicode/characters.h"

namespace gptq::tokenizer {

TokenizerSource read_bert_vocab(std::string_view text, const std::string& what, TokenizerConfig& config) {
  for (const auto& [name, content] :
       {std::pair("unk_token", "[UNK]"), std::pair("sep_token", "[SEP]"), std::pair("pad_token", "[PAD]"),
        std::pair("cls_token", "[CLS]"), std::pair("mask_token", "[MASK]")}) {
    config.name_token(name, content);
  }
  TokenizerSource source{what, graph::document(graph::word_piece(config.named("unk_token"))), {}};
  Json frame = graph::plain("BertProcessing");
  int64_t id = 0;
  for (size_t position = 0; position < text.size(); ++id) {
    const std::string token(next_line(text, position));
    if (!is_valid_utf8(token)) {
      throw Error(ErrorKind::kVerification,
                  "reading " + what + ", line " + std::to_string(id + 1) + ": expected a token in UTF-8");
    }
    for (const char* side : {"cls", "sep"}) {
      if (token == config.named(std::string(side) + "_token")) frame[side] = Json::array({token, id});
    }
    source.tables.vocab.add(token, id);
  }
  (*source.json)["normalizer"] = {{"type", "BertNormalizer"},
                                  {"clean_text", true},
                                  {"handle_chinese_chars", config.split_chinese},
                                  {"strip_accents", config.strip_accents ? Json(*config.strip_accents) : Json()},
                                  {"lowercase", config.lowercase}};
  (*source.json)["pre_tokenizer"] = graph::plain("BertPreTokenizer");
  (*source.json)["post_processor"] = frame;
  (*source.json)["decoder"] = {{"type", "WordPiece"}, {"prefix", "##"}, {"cleanup", true}};
  config.add_bos_token.reset();  // the frame is always the same
  config.add_eos_token.reset();
  return source;
}

}  // namespace gptq::tokenizer
