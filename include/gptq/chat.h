// Conversations, and the chat template that renders them to a prompt.
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
  // Additional fields as a JSON object, or "": {"tool_calls": [...]}, {"tool_call_id": "...", "name": "..."},
  // {"reasoning_content": "..."}. A "content" key here (null, or a list of parts) overrides `content`.
  std::string fields = {};
};

struct RenderOptions {
  bool add_generation_prompt = true;    // append the start of an assistant message
  bool continue_final_message = false;  // leave the last message open for the model; implies no generation prompt
  std::string tools = {};               // JSON list of tool definitions, or ""
  std::string variables = {};           // JSON object of additional template variables, or ""
  std::optional<int64_t> clock = {};    // seconds since 1970 for strftime_now; absent: the current time
  bool adapt = true;                    // convert messages to the form that the template supports; see ChatAbilities
};

// Features that a chat template supports, detected by rendering probe conversations.
struct ChatAbilities {
  bool system_role = false;          // prints system messages; else their text is prepended to the first user message
  bool text_content = false;         // prints content that is a string; else it is converted to a list of one text part
  bool content_parts = false;        // prints content that is a list: [{"type": "text", "text": "..."}]
  bool tools = false;                // prints RenderOptions::tools
  bool tool_calls = false;           // prints tool_calls of assistant messages
  bool parallel_tool_calls = false;  // prints more than one tool call of a message
  bool object_arguments = false;     // prints tool call arguments that are JSON objects
  bool string_arguments = false;     // prints tool call arguments that are JSON text, without escaping them again
  bool tool_results = false;         // prints messages of the role "tool"
  bool enable_thinking = false;      // the variable of this name changes the prompt
  std::string reasoning_field = {};  // field of assistant messages that is printed as reasoning, or ""
  bool writes_bos = false;           // the prompt begins with the BOS token; see Tokenizer::encode_prompt
};

// A compiled chat template: Jinja in the environment that transformers provides (trim_blocks, lstrip_blocks, loop
// controls, tojson, raise_exception, strftime_now); docs/templates.md lists the differences.
// Immutable: one object may be used from several threads at the same time.
class ChatTemplate {
 public:
  // Loads the templates of a model folder. A model may have several: "default" is chat_template.jinja, others are
  // additional_chat_templates/NAME.jinja; those without a file come from "chat_template" in tokenizer_config.json, a
  // string (the default) or a list of {"name", "template"}; chat_template.json is used only if none of these exists.
  // With `name` "", render uses "tool_use" when tools are given and that template exists, else "default".
  // Throws Error(kNotFound), listing the names, when the model has no such template or none at all, and
  // Error(kVerification | kPermission) for files that cannot be parsed or read.
  static ChatTemplate open(const std::string& folder, const std::string& name = "");

  // Compiles template source with the values of its special tokens ("bos_token" ...).
  // Throws Error(kVerification) with line, column and reason.
  static ChatTemplate parse(const std::string& source, const std::map<std::string, std::string>& special_tokens);

  ChatTemplate(ChatTemplate&&) noexcept;
  ChatTemplate& operator=(ChatTemplate&&) noexcept;
  ~ChatTemplate();

  // Renders a conversation. With options.adapt, messages are converted as the template requires: tool call arguments
  // to objects or JSON text (unchanged when it supports both), string content to parts, and the text of a system
  // message is prepended to the first user message when the template has no system role.
  // Throws Error(kUsage) with the template's message when it calls raise_exception and for malformed JSON in `options`
  // or `messages`, and Error(kVerification) with line, column and reason when the template fails in another way or
  // exceeds its limits of steps, depth or output.
  Prompt render(const std::vector<Message>& messages, const RenderOptions& options = {}) const;
  Prompt render_json(const std::string& messages, const RenderOptions& options = {}) const;  // JSON list of messages

  // Detected on the first call, by about a dozen renderings. The features that concern tools are those of the template
  // that render uses when tools are given. Does not throw.
  const ChatAbilities& abilities() const;

  const std::string& source(bool with_tools = false) const;  // source text of the template that render uses
  std::vector<std::string> names() const;                    // of all templates of the model, sorted

 private:
  class Impl;
  explicit ChatTemplate(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// The sources of the templates of a model folder by name, as ChatTemplate::open finds them; none for a base model. Throws
// Error(kVerification | kPermission) for files that cannot be read.
std::map<std::string, std::string> chat_template_sources(const std::string& folder);

}  // namespace gptq
