// The public class ChatTemplate: choosing among a model's templates, and giving them the variables they expect.
#include <ctime>
#include <mutex>
#include <utility>

#include <gptq/chat.h>
#include <gptq/error.h>

#include "chat/jinja/from_json.h"
#include "chat/jinja/template.h"
#include "chat/messages.h"
#include "chat/probe.h"
#include "chat/template_files.h"
#include "core/json.h"

namespace gptq::chat {

namespace {

using Tokens = std::map<std::string, std::string>;

// One template. Parsed and probed on first use.
class NamedTemplate {
 public:
  NamedTemplate(TemplateFile file, const Tokens& tokens) : file_(std::move(file)), tokens_(tokens) {}

  const std::string& source() const { return file_.source; }

  const Template& compiled() const {
    std::call_once(parsed_, [&] { template_.emplace(file_.source, file_.origin); });
    return *template_;
  }

  const ChatAbilities& abilities() const {
    std::call_once(probed_, [&] {
      const auto bos = tokens_.find("bos_token");
      abilities_ = probe([&](const Trial& trial) { return attempt(trial); }, bos == tokens_.end() ? "" : bos->second);
    });
    return abilities_;
  }

  struct Input {
    const OrderedJson& messages;
    OrderedJson tools;      // null: none
    OrderedJson variables;  // an object
    bool generation_prompt = false;
    bool continues = false;
  };

  MarkedText render(const Input& input, int64_t clock, const Bounds& bounds) const {
    const auto define = [&](Runtime& runtime, Scope& variables) {
      for (const auto& [name, token] : tokens_) variables.set(name, runtime.string(token));
      std::vector<Value> values = message_values(runtime, input.messages);
      if (input.continues) tag_last_message(runtime, values);
      variables.set("messages", runtime.list(std::move(values)));
      variables.set("tools", from_json(runtime, input.tools, false));
      variables.set("documents", Value::none());
      variables.set("add_generation_prompt", Value::boolean(input.generation_prompt));
      for (const auto& [name, value] : input.variables.items()) {
        variables.set(name, from_json(runtime, value, false));
      }
    };
    return compiled().render(clock, define, bounds);
  }

 private:
  std::optional<std::string> attempt(const Trial& trial) const {
    constexpr Bounds kBounds{200'000, 1 << 24, 1 << 22, 100'000};  // many times the cost of a short conversation
    try {
      return render({*trial.messages, *trial.tools, *trial.variables, trial.generation_prompt}, 0, kBounds).text;
    } catch (const Error&) {
      return std::nullopt;  // a refusal is a result too
    }
  }

  TemplateFile file_;
  const Tokens& tokens_;
  mutable std::once_flag parsed_, probed_;
  mutable std::optional<Template> template_;
  mutable ChatAbilities abilities_;
};

OrderedJson parse_variables(const std::string& text) {
  if (text.empty()) return OrderedJson::object();
  OrderedJson object = parse_input(text, "the template variables");
  if (object.is_object()) return object;
  throw Error(ErrorKind::kUsage, "reading the template variables: found " + std::string(object.type_name()) +
                                     ", expected a JSON object like {\"enable_thinking\": false}");
}

}  // namespace

}  // namespace gptq::chat

namespace gptq {

class ChatTemplate::Impl {
 public:
  // `name`: the only template to use, or "" to choose by name.
  Impl(chat::TemplateFolder folder, const std::string& name) : tokens_(std::move(folder.special_tokens)) {
    for (auto& [key, file] : folder.templates) templates_.try_emplace(key, std::move(file), tokens_);
    plain_ = &find(name.empty() ? "default" : name);
    const auto tool_use = templates_.find("tool_use");
    with_tools_ = name.empty() && tool_use != templates_.end() ? &tool_use->second : plain_;
    plain_->compiled();
  }

  const chat::NamedTemplate& chosen(bool with_tools) const { return with_tools ? *with_tools_ : *plain_; }

  std::vector<std::string> names() const {
    std::vector<std::string> all;
    for (const auto& [name, entry] : templates_) all.push_back(name);
    return all;
  }

  const ChatAbilities& abilities() const {
    std::call_once(merged_, [&] {
      abilities_ = plain_->abilities();
      const ChatAbilities& tools = with_tools_->abilities();
      abilities_.tools = tools.tools;
      abilities_.tool_calls = tools.tool_calls;
      abilities_.parallel_tool_calls = tools.parallel_tool_calls;
      abilities_.object_arguments = tools.object_arguments;
      abilities_.string_arguments = tools.string_arguments;
      abilities_.tool_results = tools.tool_results;
    });
    return abilities_;
  }

  Prompt render(OrderedJson messages, const RenderOptions& options) const {
    const chat::NamedTemplate& chosen_template = chosen(!options.tools.empty());
    if (options.adapt) chat::adapt(messages, chosen_template.abilities());
    const int64_t clock = options.clock.value_or(static_cast<int64_t>(std::time(nullptr)));
    const bool continues = options.continue_final_message;
    const OrderedJson tools = options.tools.empty() ? nullptr : chat::parse_input(options.tools, "the list of tools");
    unicode::MarkedText text = chosen_template.render({messages, tools, chat::parse_variables(options.variables),
                                                       options.add_generation_prompt && !continues, continues},
                                                      clock, {});
    if (continues) text = chat::cut_at_tag(std::move(text));
    Prompt prompt;
    prompt.input_ranges = text.ranges();
    prompt.text = std::move(text.text);
    return prompt;
  }

 private:
  const chat::NamedTemplate& find(const std::string& name) const {
    const auto found = templates_.find(name);
    if (found != templates_.end()) return found->second;
    std::string known;
    for (const std::string& other : names()) known += (known.empty() ? "\"" : ", \"") + other + "\"";
    throw Error(ErrorKind::kNotFound, "looking for the chat template \"" + name + "\": the model has only " + known +
                                          "; choose one of them by its name");
  }

  chat::Tokens tokens_;
  std::map<std::string, chat::NamedTemplate> templates_;
  const chat::NamedTemplate* plain_ = nullptr;
  const chat::NamedTemplate* with_tools_ = nullptr;
  mutable std::once_flag merged_;
  mutable ChatAbilities abilities_;
};

ChatTemplate ChatTemplate::open(const std::string& folder, const std::string& name) {
  return ChatTemplate(std::make_unique<Impl>(chat::read_template_folder(folder), name));
}

ChatTemplate ChatTemplate::parse(const std::string& source, const std::map<std::string, std::string>& special_tokens) {
  return ChatTemplate(std::make_unique<Impl>(chat::TemplateFolder{{{"default", {source, ""}}}, special_tokens}, ""));
}

ChatTemplate::ChatTemplate(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ChatTemplate::ChatTemplate(ChatTemplate&&) noexcept = default;
ChatTemplate& ChatTemplate::operator=(ChatTemplate&&) noexcept = default;
ChatTemplate::~ChatTemplate() = default;

Prompt ChatTemplate::render(const std::vector<Message>& messages, const RenderOptions& options) const {
  return impl_->render(chat::messages_json(messages), options);
}

Prompt ChatTemplate::render_json(const std::string& messages, const RenderOptions& options) const {
  return impl_->render(chat::messages_json(messages), options);
}

const ChatAbilities& ChatTemplate::abilities() const { return impl_->abilities(); }
const std::string& ChatTemplate::source(bool with_tools) const { return impl_->chosen(with_tools).source(); }
std::vector<std::string> ChatTemplate::names() const { return impl_->names(); }

std::map<std::string, std::string> chat_template_sources(const std::string& folder) {
  std::map<std::string, std::string> sources;
  try {
    for (const auto& [name, file] : chat::read_template_folder(folder).templates) sources[name] = file.source;
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kNotFound) throw;
  }
  return sources;
}

}  // namespace gptq
