// The chat templates of a model folder.
#pragma once

#include <filesystem>
#include <map>
#include <string>

namespace gptq::chat {

struct TemplateFile {
  std::string source;
  std::string origin;  // for errors: "models/x/chat_template.jinja"
};

struct TemplateFolder {
  std::map<std::string, TemplateFile> templates;      // by name; not empty
  std::map<std::string, std::string> special_tokens;  // "bos_token" -> "<s>"
};

// Where they are found is told in gptq/chat.h. Throws Error(kNotFound) when there is none, Error(kVerification) for
// a broken tokenizer_config.json.
TemplateFolder read_template_folder(const std::filesystem::path& folder);

}  // namespace gptq::chat
