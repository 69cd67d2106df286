// vocab.json with merges.txt, used by GPT-2, Qwen and others: a byte-level BPE model.
#include <algorithm>
#include <map>

#include <gptq/error.h>

#include "core/json.h"
#include "tokenizer/formats/graph.h"
#include "tokenizer/formats/lines.h"
#include "tokenizer/formats/patterns.h"
#include "tokenizer/formats/tokenizer_source.h"

namespace gptq::tokenizer {

namespace {

bool prefix_space_of(const TokenizerConfig& config) { return config.add_prefix_space.value_or(false); }

Json words_of_gpt2(const TokenizerConfig& config) { return graph::byte_level(prefix_space_of(config), true); }

Json words_of_qwen(const TokenizerConfig& config) {
  return graph::sequence("pretokenizers",
                         Json::array({graph::split(kQwenPattern), graph::byte_level(prefix_space_of(config), false)}));
}

Json words_of_cohere(const TokenizerConfig& config) {
  return graph::sequence("pretokenizers", Json::array({{{"type", "Digits"}, {"individual_digits", true}},
                                                       graph::byte_level(prefix_space_of(config), true)}));
}

// The components of one tokenizer class of transformers.
struct VocabFamily {
  Json (*pre_tokenizer)(const TokenizerConfig& config);
  bool nfc;
  const char* control;  // content of bos_token and eos_token when they are not named; "" for none
};

const VocabFamily& vocab_family_of(const TokenizerConfig& config, const std::string& what) {
  static const VocabFamily kGpt2 = {words_of_gpt2, false, "<|endoftext|>"};
  static const std::map<std::string, VocabFamily> kFamilies = {
      {"CohereTokenizer", {words_of_cohere, true, ""}},
      {"GPTNeoXTokenizer", {words_of_gpt2, true, "<|endoftext|>"}},
      {"Qwen2Tokenizer", {words_of_qwen, true, ""}},
  };
  static const char* const kUnlike[] = {"BartTokenizer",      "BlenderbotTokenizer", "CLIPTokenizer",
                                        "HerbertTokenizer",   "LEDTokenizer",        "LongformerTokenizer",
                                        "OpenAIGPTTokenizer", "RobertaTokenizer",    "WhisperTokenizer"};
  if (std::find(std::begin(kUnlike), std::end(kUnlike), config.tokenizer_class) != std::end(kUnlike)) {
    throw Error(ErrorKind::kVerification, "reading " + what + " for a " + config.tokenizer_class +
                                              ": this class is not supported without tokenizer.json; let transformers "
                                              "write one");
  }
  const auto found = kFamilies.find(config.tokenizer_class);
  return found == kFamilies.end() ? kGpt2 : found->second;
}

void read_vocab(std::string_view text, const std::string& what, VocabTap& vocab) {
  const Json json = parse_json(text, what);
  const JsonReader reader(json, what);
  for (const auto& [token, id] : json.items()) {
    if (!id.is_number_integer()) reader.fail(token.c_str(), "a token id");
    vocab.add(token, reader.integer(token.c_str()));
  }
}

}  // namespace

TokenizerSource read_vocab_and_merges(std::string_view vocab, std::string_view merges, const std::string& what,
                                      TokenizerConfig& config) {
  const VocabFamily& family = vocab_family_of(config, what);
  TokenizerSource source{what, graph::document(graph::bpe("", false, false)), {}};
  read_vocab(vocab, what, source.tables.vocab);
  for (size_t position = 0; position < merges.size();) {
    std::string line(next_line(merges, position));
    if (!line.empty()) source.tables.merges.string(line);
  }
  if (family.nfc) (*source.json)["normalizer"] = graph::plain("NFC");
  (*source.json)["pre_tokenizer"] = family.pre_tokenizer(config);
  (*source.json)["decoder"] = graph::byte_level(true, true);
  config.name_token("bos_token", family.control);
  config.name_token("eos_token", family.control);
  return source;
}

}  // namespace gptq::tokenizer
