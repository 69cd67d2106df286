// The document in one row: the keys and forms that training data sets use.
#include <algorithm>
#include <cmath>
#include <utility>

#include <gptq/error.h>

#include "core/json.h"
#include "corpus/rows.h"

namespace gptq::corpus {

namespace {

[[noreturn]] void fail(const Row& row, const std::string& reason) {
  throw Error(ErrorKind::kVerification, "reading " + row.where + ": " + reason);
}

const OrderedJson* find(const OrderedJson& json, const char* key) {
  const auto found = json.find(key);
  return found == json.end() || found->is_null() ? nullptr : &*found;
}

std::string string_at(const OrderedJson& json, const char* key, const Row& row) {
  const OrderedJson* value = find(json, key);
  if (value == nullptr) return "";
  if (!value->is_string()) fail(row, std::string("\"") + key + "\" is " + value->type_name() + ", expected a string");
  return value->get<std::string>();
}

// {"from": "human", "value": "Hi"} as {"role": "user", "content": "Hi"}.
OrderedJson message_from(const OrderedJson& turn, const Row& row) {
  if (!turn.is_object()) fail(row, std::string("a message is ") + turn.type_name() + ", expected an object");
  if (turn.contains("role")) return turn;
  static constexpr std::pair<const char*, const char*> kRoles[] = {
      {"human", "user"},          {"user", "user"},       {"gpt", "assistant"},           {"chatgpt", "assistant"},
      {"assistant", "assistant"}, {"model", "assistant"}, {"function_call", "assistant"}, {"observation", "tool"},
      {"tool", "tool"},           {"system", "system"}};
  const std::string from = string_at(turn, "from", row);
  for (const auto& [theirs, ours] : kRoles) {
    if (from == theirs) return {{"role", ours}, {"content", string_at(turn, "value", row)}};
  }
  fail(row, "a message has neither \"role\" nor a \"from\" that is human, gpt, system or tool");
}

OrderedJson messages_from(const OrderedJson& list, const char* key, const Row& row) {
  if (!list.is_array()) fail(row, std::string("\"") + key + "\" is " + list.type_name() + ", expected a list");
  OrderedJson messages = OrderedJson::array();
  for (const OrderedJson& turn : list) messages.push_back(message_from(turn, row));
  return messages;
}

bool conversation(const OrderedJson& json, const char* key, Row& row) {
  row.kind = Row::Kind::kConversation;
  row.messages = messages_from(*find(json, key), key, row);
  if (const OrderedJson* tools = find(json, "tools")) {
    // Some data sets keep the list as JSON text, because its columns have one type.
    *row.tools = tools->is_string() && !tools->get_ref<const std::string&>().empty()
                     ? parse_ordered_json(tools->get<std::string>(), "\"tools\" of " + row.where)
                     : *tools;
    if (row.tools->is_string() || row.tools->empty()) *row.tools = nullptr;
    if (!row.tools->is_null() && !row.tools->is_array()) {
      fail(row, std::string("\"tools\" is ") + row.tools->type_name() + ", expected a list");
    }
  }
  return !row.messages->empty();
}

bool text(const OrderedJson& json, const char* key, Row& row) {
  row.text = string_at(json, key, row);
  return !row.text.empty();
}

// Text, or lists of messages: the form of TRL's conversational prompts.
bool pair(const OrderedJson& json, const char* first, const char* second, Row& row) {
  const OrderedJson *a = find(json, first), *b = find(json, second);
  if (a->is_array() && b->is_array()) {
    row.kind = Row::Kind::kConversation;
    row.messages = messages_from(*a, first, row);
    for (const OrderedJson& message : messages_from(*b, second, row)) row.messages->push_back(message);
    return !row.messages->empty();
  }
  row.text = string_at(json, first, row) + string_at(json, second, row);
  return !row.text.empty();
}

bool instruction(const OrderedJson& json, Row& row) {
  std::string question = string_at(json, "instruction", row);
  if (const std::string input = string_at(json, "input", row); !input.empty()) {
    question += (question.empty() ? "" : "\n\n") + input;
  }
  const std::string answer = string_at(json, "output", row);
  if (question.empty() && answer.empty()) return false;
  row.kind = Row::Kind::kConversation;
  *row.messages = {{{"role", "user"}, {"content", question}}, {{"role", "assistant"}, {"content", answer}}};
  row.text = question + "\n\n" + answer;
  return true;
}

bool tokens(const OrderedJson& json, Row& row) {
  row.kind = Row::Kind::kTokens;
  const OrderedJson& list = json.at("input_ids");
  if (!list.is_array()) fail(row, std::string("\"input_ids\" is ") + list.type_name() + ", expected a list");
  for (const OrderedJson& id : list) {
    const bool whole = id.is_number_integer() && !(id.is_number_unsigned() && id.get<uint64_t>() > INT64_MAX);
    if (!whole) fail(row, "\"input_ids\" holds something that is not a token id: " + id.dump().substr(0, 40));
    row.ids.push_back(id.get<int64_t>());
  }
  return !row.ids.empty();
}

std::string keys_of(const OrderedJson& json) {
  constexpr size_t kShown = 8, kMaxKeyBytes = 40;
  std::string keys;
  size_t count = 0;
  for (const auto& [key, value] : json.items()) {
    if (++count > kShown) break;
    keys += (keys.empty() ? "\"" : ", \"") + key.substr(0, kMaxKeyBytes) + "\"";
  }
  if (count > kShown) keys += ", ...";
  return keys.empty() ? "no keys" : "the keys " + keys;
}

}  // namespace

bool read_row(const OrderedJson& json, Row& row) {
  if (json.is_null()) return false;
  if (json.is_string()) {
    row.text = json.get<std::string>();
    return !row.text.empty();
  }
  if (!json.is_object()) fail(row, std::string("found ") + json.type_name() + ", expected an object or a string");
  const auto has = [&](const char* key) { return find(json, key) != nullptr; };
  if (has("text")) return text(json, "text", row);
  for (const char* key : {"messages", "conversations"}) {
    if (has(key)) return conversation(json, key, row);
  }
  for (const char* second : {"completion", "response"}) {
    if (has("prompt") && has(second)) return pair(json, "prompt", second, row);
  }
  if (has("instruction") && has("output")) return instruction(json, row);
  if (has("content")) return text(json, "content", row);
  if (has("input_ids")) return tokens(json, row);
  // The key is present with the value null: an empty row, not an unknown form.
  for (const char* key : {"text", "messages", "conversations", "content", "input_ids"}) {
    if (json.contains(key)) return false;
  }
  for (const auto& [first, second] :
       {std::pair{"prompt", "completion"}, {"prompt", "response"}, {"instruction", "output"}}) {
    if (json.contains(first) && json.contains(second)) return false;
  }
  fail(row, "found " + keys_of(json) +
                ", expected one of: \"text\"; \"messages\"; \"conversations\"; \"prompt\" and \"completion\"; "
                "\"instruction\" and \"output\"; \"content\"; \"input_ids\"; rename the one with the text to "
                "\"text\"");
}

}  // namespace gptq::corpus
