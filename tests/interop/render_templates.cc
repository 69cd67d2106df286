// For tests/interop: renders templates as Jinja2 would. Standard input has one JSON object a line, {"template": ...,
// "context": {...}}; standard output gets one a line, {"text": ...} or {"error": ...}.
#include <iostream>
#include <string>

#include <gptq/error.h>

#include "chat/jinja/from_json.h"
#include "chat/jinja/template.h"
#include "core/json.h"

namespace {

using namespace gptq;

std::string render(const OrderedJson& row) {
  const chat::Template compiled(row.at("template").get<std::string>());
  constexpr int64_t kClock = 1'720'256'703;  // 2024-07-06 09:05:03 UTC
  const auto define = [&](chat::Runtime& runtime, chat::Scope& variables) {
    for (const auto& [name, value] : row.at("context").items()) {
      variables.set(name, chat::from_json(runtime, value, false));
    }
  };
  return compiled.render(kClock, define).text;
}

}  // namespace

int main() {
  for (std::string line; std::getline(std::cin, line);) {
    OrderedJson answer;
    try {
      answer = {{"text", render(parse_ordered_json(line, "the row"))}};
    } catch (const Error& error) {
      answer = {{"error", error.what()}};
    }
    std::cout << answer.dump() << "\n";
  }
  return 0;
}
