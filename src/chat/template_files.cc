// Reads chat_template.jinja, additional_chat_templates/, tokenizer_config.json, chat_template.json, in this order.
#include "chat/template_files.h"

#include <gptq/error.h>

#include "core/file.h"
#include "core/json.h"
#include "tokenizer/formats/tokenizer_config.h"

namespace gptq::chat {

namespace {

// Adds the templates in "chat_template" that do not exist yet.
void add_from_config(const Json& config, const std::string& what, std::map<std::string, TemplateFile>& templates) {
  const Json* found = JsonReader(config, what).find("chat_template");
  if (found == nullptr) return;
  const std::string origin = what + " (chat_template)";
  if (found->is_string()) {
    templates.try_emplace("default", TemplateFile{found->get<std::string>(), origin});
  } else if (found->is_array()) {
    for (const Json& entry : *found) {
      const JsonReader reader(entry, origin);
      const std::string name = reader.string("name");
      templates.try_emplace(name, TemplateFile{reader.string("template"), origin + " \"" + name + "\""});
    }
  } else if (found->is_object()) {
    const JsonReader reader(*found, origin);
    for (const auto& [name, source] : found->items()) {
      templates.try_emplace(name, TemplateFile{reader.string(name.c_str()), origin + " \"" + name + "\""});
    }
  } else {
    throw Error(ErrorKind::kVerification, "reading " + what + ": chat_template is " + found->type_name() +
                                              ", expected a string or a list of {\"name\", \"template\"}");
  }
}

}  // namespace

TemplateFolder read_template_folder(const fs::path& folder) {
  TemplateFolder result;
  auto& templates = result.templates;
  const fs::path file = folder / "chat_template.jinja";
  if (fs::exists(file)) templates["default"] = {read_small_file(file), file.string()};
  const fs::path more = folder / "additional_chat_templates";
  if (fs::is_directory(more)) {
    for (const fs::directory_entry& entry : fs::directory_iterator(more)) {
      if (entry.path().extension() != ".jinja") continue;
      templates[entry.path().stem().string()] = {read_small_file(entry.path()), entry.path().string()};
    }
  }
  const fs::path config_path = folder / "tokenizer_config.json";
  if (fs::exists(config_path)) {
    const Json config = parse_json(read_small_file(config_path), config_path.string());
    result.special_tokens = tokenizer::read_tokenizer_config(config, config_path.string()).named_tokens;
    add_from_config(config, config_path.string(), templates);
  }
  const fs::path processor_path = folder / "chat_template.json";
  if (templates.empty() && fs::exists(processor_path)) {
    add_from_config(parse_json(read_small_file(processor_path), processor_path.string()), processor_path.string(),
                    templates);
  }
  if (!templates.empty()) return result;
  throw Error(ErrorKind::kNotFound, "looking for the chat template of " + folder.string() +
                                        ": it has none, so this may be a base model without chat; complete plain text "
                                        "instead, or put a chat_template.jinja into the folder");
}

}  // namespace gptq::chat
