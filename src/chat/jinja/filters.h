// Filters: value | name(arguments).
#pragma once

#include <map>
#include <string>

#include "chat/jinja/value.h"

namespace gptq::chat {

// The filter's function, or nullptr when the name is unknown.
Native find_filter(const std::string& name);

// The reason for an unknown name: not known at all, or one of Jinja's that is not supported.
std::string no_such_filter(const std::string& name);

// The tables, by the types that the filters work on.
const std::map<std::string, Native>& text_filters();
const std::map<std::string, Native>& number_filters();
const std::map<std::string, Native>& list_filters();
const std::map<std::string, Native>& lazy_filters();
const std::map<std::string, Native>& markup_filters();

}  // namespace gptq::chat
