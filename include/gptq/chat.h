// Conversations, and the chat template that turns them into a prompt.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gptq/tokenizer.h>

namespace gptq {

struct Message {
  std::string role;  // "system", "user", "assistant", "tool"
  std::string content;
};

struct RenderOptions {
  bool add_generation_prompt = true;
  bool continue_final_message = false;  // the model goes on with the last message; excludes the above
  std::string tools;                    // a JSON list of tool definitions, or empty
  std::string variables;                // a JSON object of further template variables, or empty
  std::optional<int64_t> clock;         // seconds since 1970 for strftime_now; now when absent
};

// A compiled chat template: a subset of Jinja in the environment that transformers gives it (trim_blocks,
// lstrip_blocks, loop controls, tojson, raise_exception, strftime_now). Immutable and safe to share.
class ChatTemplate {
 public:
  // From a model folder: chat_template.jinja, else tokenizer_config.json ("chat_template": a string, or the
  // entry `name` of a list; "" takes "default"), else chat_template.json. Throws Error(kNotFound) with advice
  // when the model has none.
  static ChatTemplate open(const std::string& folder, const std::string& name = "");

  // From template source and the values of its special tokens. Throws Error(kVerification) with line and reason.
  static ChatTemplate parse(const std::string& source, const std::map<std::string, std::string>& special_tokens);

  ChatTemplate(ChatTemplate&&) noexcept;
  ChatTemplate& operator=(ChatTemplate&&) noexcept;
  ~ChatTemplate();

  // Throws Error(kUsage) with the template's own words when it calls raise_exception, and Error(kVerification)
  // with line and reason when it fails otherwise or exceeds its limits on steps, depth or output.
  Prompt render(const std::vector<Message>& messages, const RenderOptions& options = {}) const;
  Prompt render_json(const std::string& messages, const RenderOptions& options = {}) const;  // a JSON list

  const std::string& source() const;

 private:
  class Impl;
  explicit ChatTemplate(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace gptq
