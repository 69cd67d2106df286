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

// Reads the files listed in gptq/chat.h. Throws Error(kNotFound) when there are none, Error(kVerification) for
// a malformed tokenizer_config.json.
TemplateFolder read_template_folder(const std::filesystem::path& folder);

}  // namespace gptq::chat
