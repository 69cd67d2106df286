// The chat template's front door: finding it in a model folder, and giving it the variables it expects.
#include <ctime>

#include <gptq/chat.h>
#include <gptq/error.h>

#include "core/file.h"
#include "core/json.h"
#include "text/template/from_json.h"
#include "text/template/template.h"
#include "text/tokenizer_config.h"
#include "text/unicode.h"

namespace gptq {

namespace {

using chat::Kind;
using chat::Runtime;
using chat::Scope;
using chat::Value;

// Appended to the last message to find its end again. Private-use characters, so that no text contains it; the
// space shows whether the template trims what it prints.
constexpr std::string_view kContinueTag = "\xEE\x83\x87gptq-continue-here\xEE\x83\x87 ";
constexpr std::string_view kContinueMark = kContinueTag.substr(0, kContinueTag.size() - 1);

Value input_text(Runtime& runtime, const std::string& text) {
  MarkedText marked;
  marked.append(to_valid_utf8(text), '\1');
  return runtime.string(std::move(marked));
}

// A role is the template's business, not people's: it may become part of a control token. So it must be a plain word.
bool is_plain_role(const std::string& role) {
  for (const char c : role) {
    const bool plain =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
    if (!plain) return false;
  }
  return true;
}

Value role_value(Runtime& runtime, const std::string& role) {
  return is_plain_role(role) ? runtime.string(role) : input_text(runtime, role);
}

Value message_value(Runtime& runtime, const Message& message) {
  const Value dict = runtime.dict();
  dict.dict().set("role", role_value(runtime, message.role));
  dict.dict().set("content", input_text(runtime, message.content));
  return dict;
}

// Everything in a message is input except its keys and its role.
Value message_value(Runtime& runtime, const OrderedJson& json) {
  const Value dict = chat::from_json(runtime, json, true);
  const Value* role = dict.is_dict() ? dict.dict().find("role") : nullptr;
  if (role != nullptr && role->is_string()) dict.dict().set("role", role_value(runtime, role->text()));
  return dict;
}

[[noreturn]] void cannot_continue() {
  throw Error(ErrorKind::kUsage,
              "continuing the final message: it has no text content, or the chat template does not print it; "
              "let the last message be an assistant's with text");
}

// Appends the tag to the text of the last message: its content, or the last text part of a list.
void tag_last_message(Runtime& runtime, std::vector<Value>& messages) {
  if (messages.empty() || !messages.back().is_dict()) cannot_continue();
  const auto tagged = [&](const Value& text) {
    MarkedText longer = text.marked();
    longer.append(kContinueTag, '\0');
    return runtime.string(std::move(longer));
  };
  auto& message = messages.back().dict();
  const Value* content = message.find("content");
  if (content != nullptr && content->is_string()) return message.set("content", tagged(*content));
  if (content == nullptr || !content->is_list()) cannot_continue();
  auto& parts = content->list().items;
  for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
    const Value* text = part->is_dict() ? part->dict().find("text") : nullptr;
    if (text != nullptr && text->is_string()) return part->dict().set("text", tagged(*text));
  }
  cannot_continue();
}

MarkedText cut_at_tag(MarkedText text) {
  const size_t tag = text.text.rfind(kContinueMark);
  if (tag == std::string::npos) cannot_continue();
  const bool spacing_kept = text.text.compare(tag, kContinueTag.size(), kContinueTag) == 0;
  text = text.substr(0, tag);
  if (spacing_kept) return text;
  return text.substr(0, space_run_begin(text.text, text.text.size()));
}

std::string template_of(const Json& json, const std::string& name, const std::string& what) {
  const std::string wanted = name.empty() ? "default" : name;
  if (json.is_string() && name.empty()) return json.get<std::string>();
  std::string known;
  if (json.is_array()) {
    for (const Json& entry : json) {
      const JsonReader reader(entry, what + ".chat_template");
      if (reader.string("name") == wanted) return reader.string("template");
      known += (known.empty() ? "" : ", ") + reader.string("name");
    }
  } else if (json.is_object()) {
    const JsonReader reader(json, what + ".chat_template");
    if (reader.has(wanted.c_str())) return reader.string(wanted.c_str());
  } else if (!json.is_string()) {
    throw Error(ErrorKind::kVerification, "reading " + what + ": chat_template is neither a string nor a list");
  }
  throw Error(ErrorKind::kNotFound, "looking for the chat template \"" + wanted + "\" in " + what + ": there is " +
                                        (known.empty() ? "only the default one" : "only " + known));
}

}  // namespace

class ChatTemplate::Impl {
 public:
  Impl(const std::string& source, std::map<std::string, std::string> special_tokens)
      : template_(source), special_tokens_(std::move(special_tokens)) {}

  const std::string& source() const { return template_.source(); }

  // `make_messages` fills the list of messages.
  template <typename MakeMessages>
  Prompt render(const RenderOptions& options, const MakeMessages& make_messages) const {
    const int64_t clock = options.clock.value_or(static_cast<int64_t>(std::time(nullptr)));
    MarkedText text = template_.render(clock, [&](Runtime& runtime, Scope& variables) {
      for (const auto& [name, token] : special_tokens_) variables.set(name, runtime.string(token));
      std::vector<Value> messages;
      make_messages(runtime, messages);
      if (options.continue_final_message) tag_last_message(runtime, messages);
      variables.set("messages", runtime.list(std::move(messages)));
      variables.set("tools", Value::none());
      variables.set("documents", Value::none());
      variables.set("add_generation_prompt",
                    Value::boolean(options.add_generation_prompt && !options.continue_final_message));
      if (!options.tools.empty()) {
        variables.set("tools", chat::from_json(runtime, parse_ordered_json(options.tools, "the list of tools"), false));
      }
      if (!options.variables.empty()) define_variables(runtime, variables, options.variables);
    });
    if (options.continue_final_message) text = cut_at_tag(std::move(text));
    Prompt prompt;
    prompt.input_ranges = text.ranges();
    prompt.text = std::move(text.text);
    return prompt;
  }

 private:
  static void define_variables(Runtime& runtime, Scope& variables, const std::string& json) {
    const OrderedJson object = parse_ordered_json(json, "the template variables");
    if (!object.is_object()) {
      throw Error(ErrorKind::kUsage, "reading the template variables: found " + std::string(object.type_name()) +
                                         ", expected a JSON object like {\"enable_thinking\": false}");
    }
    for (const auto& [name, value] : object.items()) variables.set(name, chat::from_json(runtime, value, false));
  }

  chat::Template template_;
  std::map<std::string, std::string> special_tokens_;
};

ChatTemplate ChatTemplate::open(const std::string& folder, const std::string& name) {
  const fs::path root(folder);
  if (name.find('/') != std::string::npos) {
    throw Error(ErrorKind::kUsage, "looking for the chat template \"" + name + "\": a name has no slashes");
  }
  std::map<std::string, std::string> special_tokens;
  Json config = Json::object();
  const fs::path config_path = root / "tokenizer_config.json";
  if (fs::exists(config_path)) {
    config = parse_json(read_file(config_path), config_path.string());
    special_tokens = read_tokenizer_config(config, config_path.string()).named_tokens;
  }
  const fs::path file =
      name.empty() ? root / "chat_template.jinja" : root / "additional_chat_templates" / (name + ".jinja");
  if (fs::exists(file)) return parse(read_file(file), special_tokens);
  const fs::path processor_path = root / "chat_template.json";
  for (const fs::path& path : {config_path, processor_path}) {
    if (path == processor_path && fs::exists(path)) config = parse_json(read_file(path), path.string());
    if (const Json* found = JsonReader(config, path.string()).find("chat_template")) {
      return parse(template_of(*found, name, path.string()), special_tokens);
    }
  }
  throw Error(ErrorKind::kNotFound, "looking for the chat template of " + folder +
                                        ": it has none, so this may be a base model without chat; complete plain text "
                                        "instead, or put a chat_template.jinja into the folder");
}

ChatTemplate ChatTemplate::parse(const std::string& source, const std::map<std::string, std::string>& special_tokens) {
  return ChatTemplate(std::make_unique<Impl>(source, special_tokens));
}

ChatTemplate::ChatTemplate(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ChatTemplate::ChatTemplate(ChatTemplate&&) noexcept = default;
ChatTemplate& ChatTemplate::operator=(ChatTemplate&&) noexcept = default;
ChatTemplate::~ChatTemplate() = default;

Prompt ChatTemplate::render(const std::vector<Message>& messages, const RenderOptions& options) const {
  return impl_->render(options, [&](Runtime& runtime, std::vector<Value>& list) {
    for (const Message& message : messages) list.push_back(message_value(runtime, message));
  });
}

Prompt ChatTemplate::render_json(const std::string& messages, const RenderOptions& options) const {
  const OrderedJson json = parse_ordered_json(messages, "the messages");
  if (!json.is_array()) {
    throw Error(ErrorKind::kUsage, "reading the messages: found " + std::string(json.type_name()) +
                                       ", expected a JSON list of {\"role\": ..., \"content\": ...}");
  }
  return impl_->render(options, [&](Runtime& runtime, std::vector<Value>& list) {
    for (const OrderedJson& message : json) list.push_back(message_value(runtime, message));
  });
}

const std::string& ChatTemplate::source() const { return impl_->source(); }

}  // namespace gptq
