// Parsing and rendering with failures turned into the library's errors.
#include "text/template/template.h"

#include <gptq/error.h>

#include "text/template/evaluator.h"
#include "text/template/globals.h"
#include "text/template/lexer.h"
#include "text/template/parser.h"
#include "text/unicode.h"

namespace gptq::chat {

namespace {

constexpr size_t kLongestSource = size_t{1} << 22;

std::string at(const Place& place) {
  return ", line " + std::to_string(place.line) + ", column " + std::to_string(place.column) + ": ";
}

}  // namespace

Template::Template(std::string source) : source_(to_valid_utf8(source)) {
  if (source_.size() > kLongestSource) {
    throw Error(ErrorKind::kVerification, "reading the chat template: it is longer than 4 MiB; this is no template");
  }
  try {
    body_ = parse_template(source_);
  } catch (const TemplateError& error) {
    throw Error(ErrorKind::kVerification, "reading the chat template" + at(error.place) + error.reason);
  }
}

MarkedText Template::render(int64_t clock, const Define& define) const {
  Runtime runtime(clock);
  Scope globals(nullptr);
  Evaluator evaluator(runtime, globals);
  try {
    for (auto& [name, function] : make_globals(runtime)) globals.set(name, function);
    Scope& variables = *runtime.heap.make<Scope>(nullptr);
    define(runtime, variables);
    return evaluator.run(body_, variables);
  } catch (const TemplateFailure& failure) {
    throw Error(ErrorKind::kVerification, "rendering the chat template" + at(evaluator.place()) + failure.reason);
  } catch (const RaisedByTemplate& raised) {
    throw Error(ErrorKind::kUsage, "the chat template refuses this conversation: " + raised.message);
  }
}

}  // namespace gptq::chat
