// Finding the known-bad pattern, and replacing it.
#include "tokenizer/formats/mistral_pattern.h"

#include <algorithm>

#include "core/json.h"
#include "core/log.h"
#include "tokenizer/formats/graph.h"
#include "tokenizer/formats/patterns.h"

namespace gptq::tokenizer {

namespace {

constexpr size_t kSmallVocabulary = 100'000;
constexpr const char* kMistralTypes[] = {"mistral", "mistral3", "voxtral", "ministral", "pixtral"};

bool is_mistral(const TokenizerConfig& config) {
  const bool old = config.transformers_version.empty() || config.transformers_version.find_first_of("01234") == 0;
  return old &&
         std::find(std::begin(kMistralTypes), std::end(kMistralTypes), config.model_type) != std::end(kMistralTypes);
}

// The Split at the head of a sequence, nullptr when there is another component.
Json* first_split(Json& json) {
  const auto sequence = json.find("pre_tokenizer");
  if (sequence == json.end() || !sequence->is_object() || !sequence->contains("pretokenizers")) return nullptr;
  Json& parts = (*sequence)["pretokenizers"];
  if (!parts.is_array() || parts.empty() || !parts[0].is_object()) return nullptr;
  return parts[0].value("type", Json()) == "Split" ? &parts[0] : nullptr;
}

}  // namespace

void repair_mistral_pattern(TokenizerSource& source, const TokenizerConfig& config) {
  if (!is_mistral(config) || source.tables.vocab.entries().size() <= kSmallVocabulary) return;
  if (!config.fix_mistral_regex.value_or(true)) return;
  Json* split = first_split(*source.json);
  if (split == nullptr || split->value("pattern", Json()) != graph::split(kLlama3Pattern)["pattern"]) return;
  *split = graph::split(kTekkenPattern);
  if (config.fix_mistral_regex) return;
  warn(source.what +
       ": its word pattern is Llama-3's, which a faulty conversion put into many copies of Mistral's tokenizers; the "
       "pattern that the model was trained with is used (\"fix_mistral_regex\": false in tokenizer_config.json keeps "
       "the one of the file)");
}

}  // namespace gptq::tokenizer
