// Reads messages and prepares them for a template.
#include "chat/messages.h"

#include <algorithm>
#include <optional>
#include <string_view>

#include <gptq/error.h>

#include "chat/jinja/from_json.h"
#include "chat/jinja/printing.h"
#include "core/ascii.h"
#include "core/json.h"
#include "unicode/characters.h"

namespace gptq::chat {

namespace {

// Appended to the last message to find its end again. Private-use characters, so that no text contains it; the
// space shows whether the template trims what it prints.
constexpr std::string_view kContinueTag = "\xEE\x83\x87gptq-continue-here\xEE\x83\x87 ";
constexpr std::string_view kContinueMark = kContinueTag.substr(0, kContinueTag.size() - 1);

[[noreturn]] void cannot_continue() {
  throw Error(ErrorKind::kUsage,
              "continuing the final message: it has no text content, or the chat template does not print it; "
              "the last message must be an assistant message with text");
}

// Roles are chosen by the application, and the template may make them part of a control token: only plain words.
bool is_plain_role(const std::string& role) {
  return std::all_of(role.begin(), role.end(), [](char c) { return is_ascii_alnum(c) || c == '_' || c == '-'; });
}

Value message_value(Runtime& runtime, const OrderedJson& json) {
  const Value message = from_json(runtime, json, true);
  const Value* role = message.is_dict() ? message.dict().find("role") : nullptr;
  if (role != nullptr && role->is_string() && is_plain_role(role->text())) {
    message.dict().set(runtime.limits, "role", runtime.string(role->text()));
  }
  return message;
}

// Calls `change` with the arguments of each tool call.
template <typename Messages, typename Change>
void each_arguments(Messages& messages, const Change& change) {
  for (auto& message : messages) {
    if (!message.is_object() || !message.contains("tool_calls") || !message["tool_calls"].is_array()) continue;
    for (auto& call : message["tool_calls"]) {
      if (!call.is_object() || !call.contains("function") || !call["function"].is_object()) continue;
      if (call["function"].contains("arguments")) change(call["function"]["arguments"]);
    }
  }
}

void turn_to_object(OrderedJson& arguments) {
  if (!arguments.is_string()) return;
  try {
    OrderedJson object = parse_input(arguments.get_ref<const std::string&>(), "the arguments of a tool call");
    if (object.is_object()) arguments = std::move(object);
  } catch (const Error&) {
    // Models do generate malformed JSON; it is passed on unchanged.
  }
}

void turn_to_text(OrderedJson& arguments) {
  if (!arguments.is_object()) return;
  Runtime runtime(0);
  std::string text = to_json(runtime, from_json(runtime, arguments, false), {}).text;
  arguments = std::move(text);
}

void to_parts(OrderedJson& messages) {
  for (OrderedJson& message : messages) {
    if (!message.is_object() || !message.contains("content") || !message["content"].is_string()) continue;
    std::string text = message["content"].get<std::string>();
    message["content"] = OrderedJson::array({{{"type", "text"}, {"text", std::move(text)}}});
  }
}

// The text of a message: its content, or the text parts of it.
std::optional<std::string> text_of(const OrderedJson& message) {
  const auto content = message.find("content");
  if (content == message.end()) return std::nullopt;
  if (content->is_string()) return content->get<std::string>();
  if (!content->is_array()) return std::nullopt;
  std::string text;
  for (const OrderedJson& part : *content) {
    if (!part.is_object() || !part.contains("text") || !part["text"].is_string()) return std::nullopt;
    text += part["text"].get_ref<const std::string&>();
  }
  return text;
}

// Prepends an initial system message to the user message after it.
void merge_system(OrderedJson& messages) {
  const auto has_role = [&](size_t index, const char* role) {
    return messages[index].is_object() && messages[index].contains("role") && messages[index]["role"] == role;
  };
  if (messages.size() < 2 || !has_role(0, "system") || !has_role(1, "user")) return;
  const std::optional<std::string> system = text_of(messages[0]);
  if (!system || !messages[1].contains("content")) return;
  OrderedJson& content = messages[1]["content"];
  if (content.is_string()) {
    content = *system + "\n\n" + content.get_ref<const std::string&>();
  } else if (content.is_array()) {
    content.insert(content.begin(), OrderedJson{{"type", "text"}, {"text", *system + "\n\n"}});
  } else {
    return;
  }
  messages.erase(0);
}

}  // namespace

OrderedJson parse_input(const std::string& text, const std::string& what) {
  constexpr size_t kMaxDigits = 19;
  size_t digits = 0;
  bool inside_string = false, fraction = false;
  for (size_t i = 0; i <= text.size(); ++i) {
    const char c = i < text.size() ? text[i] : '\0';
    if (inside_string) {
      if (c == '\\') ++i;
      inside_string = c != '"';
      continue;
    }
    if (is_ascii_digit(c)) {
      ++digits;
      continue;
    }
    fraction |= c == '.' || c == 'e' || c == 'E' || ((c == '-' || c == '+') && digits > 0);
    if (c == '.' || c == 'e' || c == 'E' || c == '-' || c == '+') {
      if (fraction) digits = 0;
      continue;
    }
    if (digits > kMaxDigits && !fraction) {
      throw Error(ErrorKind::kVerification, "reading " + what + ": the integer " + text.substr(i - digits, digits) +
                                                " does not fit in 64 bits; write it as a string");
    }
    digits = 0;
    fraction = false;
    inside_string = c == '"';
  }
  return parse_ordered_json(text, what);
}

OrderedJson messages_json(const std::vector<Message>& messages) {
  OrderedJson list = OrderedJson::array();
  for (const Message& message : messages) {
    OrderedJson json = {{"role", to_valid_utf8(message.role)}, {"content", to_valid_utf8(message.content)}};
    if (!message.fields.empty()) {
      const OrderedJson fields = parse_input(message.fields, "the fields of a message");
      if (!fields.is_object()) {
        throw Error(ErrorKind::kUsage, "reading the fields of a message: found " + std::string(fields.type_name()) +
                                           ", expected a JSON object like {\"tool_calls\": [...]}");
      }
      for (const auto& [key, value] : fields.items()) json[key] = value;
    }
    list.push_back(std::move(json));
  }
  return list;
}

OrderedJson messages_json(const std::string& text) {
  OrderedJson json = parse_input(text, "the messages");
  if (json.is_array()) return json;
  throw Error(ErrorKind::kUsage, "reading the messages: found " + std::string(json.type_name()) +
                                     ", expected a JSON list of {\"role\": ..., \"content\": ...}");
}

void adapt(OrderedJson& messages, const ChatAbilities& abilities) {
  if (abilities.object_arguments && !abilities.string_arguments) each_arguments(messages, turn_to_object);
  if (abilities.string_arguments && !abilities.object_arguments) each_arguments(messages, turn_to_text);
  if (!abilities.system_role) merge_system(messages);
  if (abilities.content_parts && !abilities.text_content) to_parts(messages);
}

std::vector<Value> message_values(Runtime& runtime, const OrderedJson& messages) {
  std::vector<Value> values;
  values.reserve(messages.size());
  for (const OrderedJson& message : messages) values.push_back(message_value(runtime, message));
  return values;
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
  if (content != nullptr && content->is_string()) return message.set(runtime.limits, "content", tagged(*content));
  if (content == nullptr || !content->is_list()) cannot_continue();
  auto& parts = content->list().items;
  for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
    const Value* text = part->is_dict() ? part->dict().find("text") : nullptr;
    if (text != nullptr && text->is_string()) return part->dict().set(runtime.limits, "text", tagged(*text));
  }
  cannot_continue();
}

MarkedText cut_at_tag(MarkedText text) {
  const size_t tag = text.text.rfind(kContinueMark);
  if (tag == std::string::npos) cannot_continue();
  const bool spacing_kept = text.text.compare(tag, kContinueTag.size(), kContinueTag) == 0;
  text = text.substr(0, tag);
  if (spacing_kept) return text;
  return text.substr(0, unicode::space_run_begin(text.text, text.text.size()));
}

}  // namespace gptq::chat
