// Parsing and rendering; failures become errors of the library.
#include "chat/jinja/template.h"

#include <gptq/error.h>

#include "chat/jinja/evaluator.h"
#include "chat/jinja/globals.h"
#include "chat/jinja/lexer.h"
#include "chat/jinja/parser.h"
#include "unicode/characters.h"

namespace gptq::chat {

namespace {

constexpr size_t kMaxSourceBytes = size_t{1} << 22;

std::string at(const Place& place) {
  return ", line " + std::to_string(place.line) + ", column " + std::to_string(place.column) + ": ";
}

}  // namespace

Template::Template(const std::string& source, const std::string& origin)
    : name_("the chat template" + (origin.empty() ? "" : " of " + origin)) {
  if (source.size() > kMaxSourceBytes) {
    throw Error(ErrorKind::kVerification, "reading " + name_ + ": it is longer than 4 MiB; this is no template");
  }
  try {
    body_ = parse_template(to_valid_utf8(source));
  } catch (const TemplateError& error) {
    throw Error(ErrorKind::kVerification, "reading " + name_ + at(error.place) + error.reason);
  }
}

MarkedText Template::render(int64_t clock, const Define& define, const Bounds& bounds) const {
  Runtime runtime(clock, bounds);
  Scope globals(nullptr);
  Evaluator evaluator(runtime, globals);
  try {
    for (auto& [name, function] : make_globals(runtime)) globals.set(name, function);
    Scope& variables = *runtime.heap.make<Scope>(nullptr);
    define(runtime, variables);
    return evaluator.run(body_, variables);
  } catch (const TemplateFailure& failure) {
    throw Error(ErrorKind::kVerification, "rendering " + name_ + at(evaluator.place()) + failure.reason);
  } catch (const RaisedByTemplate& raised) {
    throw Error(ErrorKind::kUsage, name_ + " refuses this conversation: " + raised.message);
  }
}

}  // namespace gptq::chat
