// The names of end-of-turn tokens, and the union with the tokens listed in the model's files.
#include "generate/stop_tokens.h"

namespace gptq::generate {

namespace {

constexpr const char* kEnd = "<|end|>";  // Phi-3

constexpr const char* kEndsOfTurns[] = {
    "<|eot_id|>",             // Llama 3
    "<|eom_id|>",             // Llama 3.1: a tool call
    "<|im_end|>",             // ChatML, Qwen
    "<end_of_turn>",          // Gemma
    "<|end_of_turn|>",        // OpenChat
    "<|END_OF_TURN_TOKEN|>",  // Command
    "<|endoftext|>",          // GPT-2 and its descendants
    "<|end_of_text|>",        // Llama 3, Granite
    "<EOT>",                  // CodeLlama
    "_<EOT>",                 // the same in some copies
    "[EOT]",                  // Kimi
    "<｜end▁of▁sentence｜>",  // DeepSeek
    "<end_of_utterance>",     // SmolVLM
    "<|return|>",             // gpt-oss
    "<|call|>",               // gpt-oss: a tool call
};

}  // namespace

std::set<TokenId> stop_tokens(const std::vector<int>& config, const std::vector<int>& generation_config,
                              const Tokenizer& tokenizer) {
  std::set<TokenId> ids(config.begin(), config.end());
  ids.insert(generation_config.begin(), generation_config.end());
  if (tokenizer.eos_id() >= 0) ids.insert(tokenizer.eos_id());
  const auto add = [&](const char* name) {
    const TokenId id = tokenizer.id_of(name);
    if (id >= 0 && tokenizer.is_special(id)) ids.insert(id);
  };
  for (const char* name : kEndsOfTurns) add(name);
  // gpt-oss ends each message of one answer with it, and the answer with <|return|>.
  if (tokenizer.id_of("<|return|>") < 0) add(kEnd);
  return ids;
}

}  // namespace gptq::generate
