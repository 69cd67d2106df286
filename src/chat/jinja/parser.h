// Template source to syntax tree.
#pragma once

#include <string>

#include "chat/jinja/ast.h"

namespace gptq::chat {

// Throws TemplateError (lexer.h) with the line, also for nesting deeper than 100 and for unsupported statements:
// inheritance, includes and imports, which chat templates cannot use.
Body parse_template(const std::string& source);

}  // namespace gptq::chat
