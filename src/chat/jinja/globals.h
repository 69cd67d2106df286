// The global functions of a template: range, dict, namespace, raise_exception, strftime_now, joiner, cycler.
#pragma once

#include <map>
#include <string>

#include "chat/jinja/value.h"

namespace gptq::chat {

// Name to function. Created for each rendering, because the functions are in its heap.
std::map<std::string, Value> make_globals(Runtime& runtime);

// Thrown by raise_exception, with the template's message.
struct RaisedByTemplate {
  std::string message;
};

}  // namespace gptq::chat
