// gptq template: renders a conversation with the model's chat template.
#include <fmt/format.h>
#include <memory>

#include <gptq/gptq.h>

#include "commands.h"
#include "input.h"
#include "model.h"
#include "output.h"
#include "token_list.h"

namespace gptq::cli {

namespace {

constexpr const char* kTemplateFooter = R"(Examples:
  gptq template models/demo --show
  gptq template models/demo --abilities
  gptq template models/demo --messages talk.json --add-generation-prompt
  echo '[{"role": "user", "content": "Hi"}]' | gptq template models/demo --messages - --tokens

FILE holds a JSON list of messages, {"role": ..., "content": ...} each. The text is printed exactly as rendered,
with no line break added.
)";

struct TemplateArguments {
  std::string model, name, messages, tools;
  RenderOptions render;
  bool show = false;
  bool abilities = false;
  bool tokens = false;
};

int show_source(const ChatTemplate& chat, const TemplateArguments& a, const CommonOptions& common) {
  const std::string& source = chat.source(!a.tools.empty());
  common.json ? put_json({{"names", chat.names()}, {"source", source}}) : put(source);
  return 0;
}

int show_abilities(const ChatTemplate& chat, const CommonOptions& common) {
  const ChatAbilities& found = chat.abilities();
  const Json json = {{"system_role", found.system_role},
                     {"text_content", found.text_content},
                     {"content_parts", found.content_parts},
                     {"tools", found.tools},
                     {"tool_calls", found.tool_calls},
                     {"parallel_tool_calls", found.parallel_tool_calls},
                     {"object_arguments", found.object_arguments},
                     {"string_arguments", found.string_arguments},
                     {"tool_results", found.tool_results},
                     {"enable_thinking", found.enable_thinking},
                     {"reasoning_field", found.reasoning_field},
                     {"writes_bos", found.writes_bos}};
  if (common.json) {
    put_json(json);
    return 0;
  }
  for (const auto& [name, value] : json.items()) {
    const std::string shown = value.is_boolean() ? (value.get<bool>() ? "yes" : "no") : value.get<std::string>();
    put(fmt::format("{:<20}  {}\n", name, shown.empty() ? "none" : shown));
  }
  return 0;
}

int run_template_command(TemplateArguments& a, const CommonOptions& common) {
  const std::string folder = model_folder(a.model, common, ModelParts::kTokenizer);
  const ChatTemplate chat = ChatTemplate::open(folder, a.name);
  if (a.show) return show_source(chat, a, common);
  if (a.abilities) return show_abilities(chat, common);
  if (a.messages.empty()) {
    throw Error(ErrorKind::kUsage,
                "nothing to render: pass --messages FILE (- for standard input), --show or --abilities");
  }
  if (!a.tools.empty()) a.render.tools = read_text(a.tools);
  const Prompt prompt = chat.render_json(read_text(a.messages), a.render);
  if (!a.tokens) {
    common.json ? put_json({{"text", prompt.text}}) : put(prompt.text);
    return 0;
  }
  const Tokenizer tokenizer = Tokenizer::open(folder);
  const std::vector<TokenId> ids = tokenizer.encode(prompt);
  if (!common.json) {
    put(tokens_text(tokenizer, ids));
    return 0;
  }
  Json json = {{"text", prompt.text}};
  json.update(tokens_json(tokenizer, ids));
  put_json(json, -1);
  return 0;
}

}  // namespace

Action add_template(CLI::App& app, const CommonOptions& common) {
  const auto arguments = std::make_shared<TemplateArguments>();
  arguments->render.add_generation_prompt = false;
  add_model_argument(app, arguments->model);
  app.add_option("--messages", arguments->messages, "Conversation to render, a JSON list; - for standard input")
      ->type_name("FILE");
  CLI::Option* generation = app.add_flag("--add-generation-prompt", arguments->render.add_generation_prompt,
                                         "Append the start of an assistant message (default: off)");
  app.add_flag("--continue-final-message", arguments->render.continue_final_message,
               "Leave the last message open for the model to continue (default: off)")
      ->excludes(generation);
  app.add_option("--tools", arguments->tools, "Tool definitions, a JSON list")->type_name("FILE");
  app.add_option("--variables", arguments->render.variables, "Further template variables, a JSON object")
      ->type_name("JSON");
  app.add_option("--name", arguments->name,
                 "Which template, for models that have several (default: tool_use with --tools, else default)")
      ->type_name("NAME");
  app.add_flag("--tokens", arguments->tokens, "Print token ids instead of the text (default: off)")
      ->configurable(false);
  app.add_flag("--show", arguments->show, "Print the template's source (default: off)");
  app.add_flag("--abilities", arguments->abilities,
               "Print the features the template supports: system messages, tools, thinking and more (default: off)");
  app.footer(kTemplateFooter);
  return [arguments, &common] { return run_template_command(*arguments, common); };
}

}  // namespace gptq::cli
