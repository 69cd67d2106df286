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
  // Further fields, a JSON object, or empty: {"tool_calls": [...]}, {"tool_call_id": "...", "name": "..."},
  // {"reasoning_content": "..."}. A "content" here (null, or a list of parts) stands instead of the one above.
  std::string fields = {};
};

struct RenderOptions {
  bool add_generation_prompt = true;
  bool continue_final_message = false;  // the model goes on with the last message; excludes the above
  std::string tools = {};               // a JSON list of tool definitions, or empty
  std::string variables = {};           // a JSON object of further template variables, or empty
  std::optional<int64_t> clock = {};    // seconds since 1970 for strftime_now; now when absent
  bool adapt = true;                    // turn messages into the form that the template reads: ChatAbilities
};

// What a chat template can do, found out by rendering harmless conversations with it.
struct ChatAbilities {
  bool system_role = false;          // prints system messages; else their text belongs into the first user message
  bool text_content = false;         // prints content that is a string; else render makes it a list of one text part
  bool content_parts = false;        // prints content that is a list: [{"type": "text", "text": "..."}]
  bool tools = false;                // prints RenderOptions::tools
  bool tool_calls = false;           // prints tool_calls of assistant messages
  bool parallel_tool_calls = false;  // more than one in a message
  bool object_arguments = false;     // prints arguments of calls that are JSON objects, as JSON or in its own manner
  bool string_arguments = false;     // prints arguments that are JSON text, without quoting it once more
  bool tool_results = false;         // prints messages of the role "tool"
  bool enable_thinking = false;      // the variable of this name changes the prompt
  std::string reasoning_field = {};  // the field of assistant messages whose text it prints as reasoning, or empty
  bool writes_bos = false;           // the prompt begins with the BOS token: the tokenizer must not add another
};

// A compiled chat template: Jinja in the environment that transformers gives it (trim_blocks, lstrip_blocks, loop
// controls, tojson, raise_exception, strftime_now). docs/templates.md lists the differences. Immutable and safe to
// share.
class ChatTemplate {
 public:
  // From a model folder. A model may have several, by name: "default" is chat_template.jinja, others are
  // additional_chat_templates/NAME.jinja; those that are no such files come from "chat_template" in
  // tokenizer_config.json, a string (the default) or a list of {"name", "template"}; chat_template.json counts only
  // when there is nothing else. With `name` "", render takes "tool_use" when tools are given and there is one, else
  // "default". Throws Error(kNotFound) with the names there are, or with advice when the model has none.
  static ChatTemplate open(const std::string& folder, const std::string& name = "");

  // From template source and the values of its special tokens. Throws Error(kVerification) with line, column and
  // reason.
  static ChatTemplate parse(const std::string& source, const std::map<std::string, std::string>& special_tokens);

  ChatTemplate(ChatTemplate&&) noexcept;
  ChatTemplate& operator=(ChatTemplate&&) noexcept;
  ~ChatTemplate();

  // Throws Error(kUsage) with the template's own words when it calls raise_exception, and Error(kVerification)
  // with line, column and reason when it fails otherwise or exceeds its limits on steps, depth or output.
  //
  // With options.adapt, arguments of tool calls become objects or text as the template reads them (when it reads
  // both they stay as they are), strings of content become parts for a template that reads nothing else, and the text of
  // a system message goes in front of the first user message for a template without that role.
  Prompt render(const std::vector<Message>& messages, const RenderOptions& options = {}) const;
  Prompt render_json(const std::string& messages, const RenderOptions& options = {}) const;  // a JSON list

  // Found out at the first call. For tools, of the template that render takes when tools are given.
  const ChatAbilities& abilities() const;

  const std::string& source(bool with_tools = false) const;  // of the template that render takes
  std::vector<std::string> names() const;                    // of all the model's templates, in alphabetical order

 private:
  class Impl;
  explicit ChatTemplate(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace gptq
