// Probes a template: is a marker text in its output?
#include "chat/probe.h"

#include "core/json.h"

namespace gptq::chat {

namespace {

const std::string kNeedle = "Xneedle7";
const std::string kOther = "Xother8";

OrderedJson say(const char* role, OrderedJson content) { return {{"role", role}, {"content", std::move(content)}}; }

bool has(const std::optional<std::string>& text, const std::string& part) {
  return text.has_value() && text->find(part) != std::string::npos;
}

OrderedJson call(const std::string& name, OrderedJson arguments) {
  return {
      {"id", "call12345"}, {"type", "function"}, {"function", {{"name", name}, {"arguments", std::move(arguments)}}}};
}

OrderedJson tool(const std::string& name) {
  OrderedJson parameters = {{"type", "object"},
                            {"properties", {{"city", {{"type", "string"}, {"description", "A city"}}}}},
                            {"required", OrderedJson::array({"city"})}};
  return {{"type", "function"},
          {"function", {{"name", name}, {"description", "A tool"}, {"parameters", std::move(parameters)}}}};
}

class Prober {
 public:
  Prober(const TryRender& render, const std::string& bos_token) : render_(render), bos_token_(bos_token) {}

  ChatAbilities run() {
    ask_about_content();
    ask_about_tools();
    ask_about_thinking();
    return abilities_;
  }

 private:
  // Text in a form that the template supports.
  OrderedJson text(const std::string& words) const {
    if (abilities_.text_content || !abilities_.content_parts) return words;
    return OrderedJson::array({part(words)});
  }

  static OrderedJson part(const std::string& words) { return {{"type", "text"}, {"text", words}}; }

  std::optional<std::string> render(OrderedJson messages, OrderedJson tools = nullptr) const {
    return render_({std::move(messages), std::move(tools), OrderedJson::object(), false});
  }

  void ask_about_content() {
    const auto plain = render(OrderedJson::array({say("user", kNeedle)}));
    abilities_.text_content = has(plain, kNeedle);
    const auto parts = render(OrderedJson::array({say("user", OrderedJson::array({part(kNeedle)}))}));
    abilities_.content_parts = has(parts, kNeedle) && !has(parts, "'type'") && !has(parts, "\"type\"");
    const auto& prompt = abilities_.text_content ? plain : parts;
    abilities_.writes_bos = !bos_token_.empty() && prompt.has_value() && prompt->starts_with(bos_token_);
    abilities_.system_role =
        has(render(OrderedJson::array({say("system", text(kNeedle)), say("user", text("Hi"))})), kNeedle);
  }

  void ask_about_tools() {
    const OrderedJson question = say("user", text("Hi"));
    const OrderedJson tools = OrderedJson::array({tool(kNeedle), tool(kOther)});
    abilities_.tools = has(render(OrderedJson::array({question}), tools), kNeedle);

    const auto with_arguments = [&](const OrderedJson& arguments) {
      return answered({call(kNeedle, arguments)}, false);
    };
    const auto object = with_arguments({{"argkey", "argvalue"}});
    const auto string = with_arguments("{\"argkey\": \"argvalue\"}");
    abilities_.tool_calls = has(object, kNeedle) || has(string, kNeedle);
    // Python's repr of a dict is not JSON; escaped quotes mean that JSON text was encoded again.
    abilities_.object_arguments = has(object, "argkey") && has(object, "argvalue") && !has(object, "'argkey'");
    abilities_.string_arguments = has(string, "\"argkey\": \"argvalue\"");
    if (!abilities_.tool_calls) return;
    const OrderedJson arguments = abilities_.object_arguments ? OrderedJson{{"a", "b"}} : OrderedJson("{\"a\": \"b\"}");
    const auto two = answered({call(kNeedle, arguments), call(kOther, arguments)}, false);
    abilities_.parallel_tool_calls = has(two, kNeedle) && has(two, kOther);
    abilities_.tool_results = has(answered({call("f", arguments)}, true), kOther);
  }

  // A question, the calls, and optionally a result. Some templates require content in addition to the calls, and
  // others reject it.
  std::optional<std::string> answered(const std::vector<OrderedJson>& calls, bool with_result) const {
    for (const OrderedJson& content : {text(""), OrderedJson(nullptr)}) {
      OrderedJson message = say("assistant", content);
      message["tool_calls"] = calls;
      OrderedJson messages = OrderedJson::array({say("user", text("Hi")), message});
      if (with_result) {
        OrderedJson result = say("tool", text(kOther));
        result["tool_call_id"] = "call12345";
        result["name"] = "f";
        messages.push_back(std::move(result));
      }
      // Offered tools are printed too, which would give a false positive.
      if (auto prompt = render(std::move(messages))) return prompt;
    }
    return std::nullopt;
  }

  void ask_about_thinking() {
    const OrderedJson question = say("user", text("Hi"));
    const auto thinking = [&](bool enabled) {
      return render_({OrderedJson::array({question}), {}, OrderedJson{{"enable_thinking", enabled}}, true});
    };
    abilities_.enable_thinking = thinking(true) != thinking(false);
    for (const char* field : {"reasoning_content", "reasoning", "thinking"}) {
      OrderedJson answer = say("assistant", text("Hello"));
      answer[field] = kNeedle;
      if (!has(render(OrderedJson::array({question, answer})), kNeedle)) continue;
      abilities_.reasoning_field = field;
      return;
    }
  }

  const TryRender& render_;
  const std::string& bos_token_;
  ChatAbilities abilities_;
};

}  // namespace

ChatAbilities probe(const TryRender& render, const std::string& bos_token) { return Prober(render, bos_token).run(); }

}  // namespace gptq::chat
