// Converts a SentencePiece model to components as transformers does (convert_slow_tokenizer).
#include <algorithm>
#include <charconv>
#include <map>
#include <utility>

#include <gptq/error.h>

#include "core/json.h"
#include "tokenizer/components/base64.h"
#include "tokenizer/formats/graph.h"
#include "tokenizer/formats/sentencepiece_model.h"
#include "tokenizer/formats/splits.h"
#include "tokenizer/formats/tokenizer_source.h"
#include "unicode/characters.h"

namespace gptq::tokenizer {

namespace {

using Algorithm = SentencePieceModel::Algorithm;
using PieceType = SentencePieceModel::PieceType;

constexpr const char* kUnderline = "\u2581";

// How one tokenizer class interprets the model.
struct Family {
  void (*rename)(SentencePieceModel& model, TokenizerConfig& config);
  Json (*normalizer)(const SentencePieceModel& model, const TokenizerConfig& config);
  Json (*pre_tokenizer)(const TokenizerConfig& config);
  Json (*decoder)(const TokenizerConfig& config);
  enum class Bytes { kAlways, kAsModel, kNever } byte_fallback;
  int64_t unknown;  // its id in a Unigram model; -1: from the model
  bool bos;         // the frame of a text, unless add_bos_token and add_eos_token are given
  bool eos;
};

// Merges by descending score of the result; the longer left part first, then the longer right part.
void add_merges(const SentencePieceModel& model, const std::string& what, MergesTap& merges) {
  std::vector<std::string> tokens;
  tokens.reserve(model.pieces.size());
  for (const auto& piece : model.pieces) tokens.push_back(piece.text);
  std::vector<Split> splits = all_splits(tokens, true, what);
  std::vector<uint32_t> lengths(tokens.size());
  for (size_t i = 0; i < tokens.size(); ++i) lengths[i] = static_cast<uint32_t>(count_chars(tokens[i]));
  std::stable_sort(splits.begin(), splits.end(), [&](const Split& a, const Split& b) {
    const float left_score = model.pieces[a.token].score, right_score = model.pieces[b.token].score;
    if (left_score != right_score) return left_score > right_score;
    if (lengths[a.left] != lengths[b.left]) return lengths[a.left] > lengths[b.left];
    return lengths[a.right] > lengths[b.right];
  });
  for (const Split& split : splits) merges.add(tokens[split.left], tokens[split.right]);
}

// The score as tokenizer.json would store it.
double score_in_json(float score) {
  char digits[40];
  const auto end = std::to_chars(std::begin(digits), std::end(digits), static_cast<double>(score)).ptr;
  return reference_score({digits, static_cast<size_t>(end - digits)});
}

Json subword_model(const SentencePieceModel& model, const Family& family, TokenizerSource& source) {
  const bool bytes = family.byte_fallback == Family::Bytes::kAsModel ? model.byte_fallback
                                                                     : family.byte_fallback == Family::Bytes::kAlways;
  if (model.algorithm == Algorithm::kUnigram) {
    for (const auto& piece : model.pieces) source.tables.pieces.add(piece.text, score_in_json(piece.score));
    return graph::unigram(family.unknown < 0 ? model.unk_id : family.unknown, bytes);
  }
  for (size_t id = 0; id < model.pieces.size(); ++id) {
    source.tables.vocab.add(model.pieces[id].text, static_cast<int64_t>(id));
  }
  add_merges(model, source.what, source.tables.merges);
  return graph::bpe(model.text_of(model.unk_id), bytes, false);
}

// Control and user-defined pieces are added tokens; only the former are special.
Json added_tokens(const SentencePieceModel& model) {
  Json list = Json::array();
  for (size_t id = 0; id < model.pieces.size(); ++id) {
    const auto& piece = model.pieces[id];
    const bool control = piece.type == PieceType::kControl;
    if (!control && piece.type != PieceType::kUserDefined) continue;
    list.push_back({{"id", id}, {"content", piece.text}, {"normalized", false}, {"special", control}});
  }
  return list;
}

bool is_legacy(const TokenizerConfig& config) { return config.legacy.value_or(true); }
bool adds_prefix_space(const TokenizerConfig& config) { return config.add_prefix_space.value_or(true); }

// added_tokens_decoder may rename the first three pieces.
void rename_llama(SentencePieceModel& model, TokenizerConfig& config) {
  for (size_t id = 0; id < std::min<size_t>(3, model.pieces.size()); ++id) {
    model.pieces[id].score = 0;
    const auto renamed = config.added_tokens.find(static_cast<int64_t>(id));
    if (renamed != config.added_tokens.end() && !renamed->second.content.empty()) {
      model.pieces[id].text = renamed->second.content;
    }
  }
}

// The first three pieces are the named tokens, the turn markers are special, and models without a tab character use
// its byte token.
void rename_gemma(SentencePieceModel& model, TokenizerConfig& config) {
  static constexpr std::pair<const char*, const char*> kNames[] = {
      {"pad_token", "<pad>"}, {"eos_token", "<eos>"}, {"bos_token", "<bos>"}};
  for (size_t id = 0; id < std::min<size_t>(3, model.pieces.size()); ++id) {
    model.pieces[id].score = 0;
    config.name_token(kNames[id].first, kNames[id].second);
    model.pieces[id].text = config.named(kNames[id].first);
  }
  const auto find = [&](const char* text) {
    return std::find_if(model.pieces.begin(), model.pieces.end(),
                        [&](const auto& piece) { return piece.text == text; });
  };
  for (const char* turn : {"<start_of_turn>", "<end_of_turn>"}) {
    const auto piece = find(turn);
    if (piece != model.pieces.end() && piece->type == PieceType::kUserDefined) piece->type = PieceType::kControl;
  }
  const auto byte = find("<0x09>");
  if (find("\t") != model.pieces.end() || byte == model.pieces.end()) return;
  byte->text = "\t";
  byte->score = 0;
}

// Sentinels follow the model's own pieces, the last one first.
void add_sentinels(SentencePieceModel& model, TokenizerConfig& config) {
  constexpr int64_t kMaxSentinels = 100'000;
  for (int64_t number = std::min(config.extra_ids, kMaxSentinels) - 1; number >= 0; --number) {
    model.pieces.push_back({"<extra_id_" + std::to_string(number) + ">", 0, PieceType::kControl});
  }
}

void rename_nothing(SentencePieceModel&, TokenizerConfig&) {}

void mark_spaces(Json& parts, const TokenizerConfig& config) {
  if (adds_prefix_space(config)) parts.push_back(graph::prepend(kUnderline));
  parts.push_back(graph::replace(" ", kUnderline));
}

Json charsmap(const SentencePieceModel& model) {
  return {{"type", "Precompiled"}, {"precompiled_charsmap", encode_base64(model.charsmap)}};
}

Json normalize_llama(const SentencePieceModel&, const TokenizerConfig& config) {
  if (!is_legacy(config)) return {};
  Json parts = Json::array();
  mark_spaces(parts, config);
  return graph::sequence("normalizers", parts);
}

Json normalize_gemma(const SentencePieceModel&, const TokenizerConfig&) { return graph::replace(" ", kUnderline); }

Json normalize_t5(const SentencePieceModel& model, const TokenizerConfig&) {
  Json parts = Json::array();
  if (!model.charsmap.empty()) parts.push_back(charsmap(model));
  parts.push_back(graph::strip_ends(false, true));
  parts.push_back(graph::replace_matches(" {2,}", kUnderline));
  return graph::sequence("normalizers", parts);
}

// Other classes use SentencePiece itself, i.e. the settings of the model file.
Json normalize_as_model(const SentencePieceModel& model, const TokenizerConfig& config) {
  Json parts = Json::array();
  if (!model.charsmap.empty()) parts.push_back(charsmap(model));
  if (model.remove_extra_spaces) {
    parts.push_back(graph::strip_ends(true, true));
    parts.push_back(graph::replace_matches(" {2,}", " "));
  }
  if (is_legacy(config)) mark_spaces(parts, config);
  return graph::sequence("normalizers", parts);
}

Json pre_tokenize_llama(const TokenizerConfig& config) {
  return is_legacy(config) ? Json() : graph::metaspace(adds_prefix_space(config), false, false);
}

Json pre_tokenize_gemma(const TokenizerConfig&) { return graph::split_behind_spaces(); }

Json pre_tokenize_t5(const TokenizerConfig& config) {
  return graph::metaspace(adds_prefix_space(config), is_legacy(config), true);
}

Json decode_bytes(const TokenizerConfig& config, bool strip) {
  Json parts = {graph::replace(kUnderline, " "), graph::plain("ByteFallback"), graph::plain("Fuse")};
  if (strip && adds_prefix_space(config)) parts.push_back(graph::strip_start(" "));
  return graph::sequence("decoders", parts);
}

Json decode_llama(const TokenizerConfig& config) { return decode_bytes(config, true); }
Json decode_gemma(const TokenizerConfig& config) { return decode_bytes(config, false); }

using Bytes = Family::Bytes;
constexpr Family kLlamaFamily = {
    rename_llama, normalize_llama, pre_tokenize_llama, decode_llama, Bytes::kAlways, 0, true, false};
constexpr Family kGemmaFamily = {
    rename_gemma, normalize_gemma, pre_tokenize_gemma, decode_gemma, Bytes::kAlways, 3, true, false};
constexpr Family kT5Family = {add_sentinels, normalize_t5, pre_tokenize_t5, pre_tokenize_t5,
                              Bytes::kNever, -1,           false,           true};
constexpr Family kOtherFamily = {
    rename_nothing, normalize_as_model, pre_tokenize_llama, decode_llama, Bytes::kAsModel, -1, true, false};

const Family& family_of(const TokenizerConfig& config, const std::string& what) {
  static const std::map<std::string, const Family*> kFamilies = {
      {"", &kLlamaFamily},
      {"LlamaTokenizer", &kLlamaFamily},
      {"CodeLlamaTokenizer", &kLlamaFamily},
      {"Phi3Tokenizer", &kLlamaFamily},
      {"GemmaTokenizer", &kGemmaFamily},
      {"T5Tokenizer", &kT5Family},
      {"MT5Tokenizer", &kT5Family},
      // Classes with special token numbering or control tokens around a text.
      {"AlbertTokenizer", nullptr},
      {"BarthezTokenizer", nullptr},
      {"BigBirdTokenizer", nullptr},
      {"CamembertTokenizer", nullptr},
      {"DebertaV2Tokenizer", nullptr},
      {"FNetTokenizer", nullptr},
      {"MBart50Tokenizer", nullptr},
      {"MBartTokenizer", nullptr},
      {"NllbTokenizer", nullptr},
      {"PegasusTokenizer", nullptr},
      {"RemBertTokenizer", nullptr},
      {"SeamlessM4TTokenizer", nullptr},
      {"XGLMTokenizer", nullptr},
      {"XLMRobertaTokenizer", nullptr},
      {"XLNetTokenizer", nullptr},
  };
  const auto found = kFamilies.find(config.tokenizer_class);
  if (found == kFamilies.end()) return kOtherFamily;
  if (found->second != nullptr) return *found->second;
  throw Error(ErrorKind::kVerification, "reading " + what + " for a " + config.tokenizer_class +
                                            ": this class is not supported without tokenizer.json; let transformers "
                                            "write one");
}

// Names of control tokens that tokenizer_config.json does not specify.
void complete(const SentencePieceModel& model, const Family& family, TokenizerConfig& config) {
  config.name_token("unk_token", model.text_of(model.unk_id));
  if (family.bos) config.name_token("bos_token", model.text_of(model.bos_id));
  config.name_token("eos_token", model.text_of(model.eos_id));
  config.name_token("pad_token", model.text_of(model.pad_id));
}

}  // namespace

TokenizerSource read_sentencepiece(std::string_view bytes, const std::string& what, TokenizerConfig& config) {
  SentencePieceModel model = parse_sentencepiece_model(bytes, what);
  const Family& family = family_of(config, what);
  if (model.space_as_suffix || !model.escape_spaces) {
    throw Error(ErrorKind::kVerification, "reading " + what + ": its representation of spaces (" +
                                              (model.space_as_suffix ? "as suffixes" : "unescaped") +
                                              ") is not supported here; supported: \u2581 before words");
  }
  if (model.algorithm != Algorithm::kBpe && model.algorithm != Algorithm::kUnigram) {
    throw Error(ErrorKind::kVerification, "reading " + what + ": its model type is " +
                                              std::to_string(static_cast<int>(model.algorithm)) +
                                              ", supported here: 1 (Unigram), 2 (BPE)");
  }
  if (&family == &kOtherFamily && !config.add_prefix_space) config.add_prefix_space = model.add_dummy_prefix;
  family.rename(model, config);
  complete(model, family, config);

  TokenizerSource source{what, {}, {}};
  source.json = graph::document(subword_model(model, family, source));
  (*source.json)["added_tokens"] = added_tokens(model);
  (*source.json)["normalizer"] = family.normalizer(model, config);
  (*source.json)["pre_tokenizer"] = family.pre_tokenizer(config);
  (*source.json)["decoder"] = family.decoder(config);
  if (&family == &kT5Family) {
    config.add_bos_token = config.add_eos_token = std::nullopt;  // they are not used
    config.second_type_id = 0;
  }
  config.add_bos_token = config.add_bos_token.value_or(family.bos);
  config.add_eos_token = config.add_eos_token.value_or(family.eos);
  return source;
}

}  // namespace gptq::tokenizer
