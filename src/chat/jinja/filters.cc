// Looks a filter up in the tables.
#include "chat/jinja/filters.h"

#include <set>

namespace gptq::chat {

Native find_filter(const std::string& name) {
  for (const auto* table : {&text_filters(), &list_filters(), &lazy_filters(), &number_filters(), &markup_filters()}) {
    const auto found = table->find(name);
    if (found != table->end()) return found->second;
  }
  return nullptr;
}

std::string no_such_filter(const std::string& name) {
  static const std::set<std::string> kLeftOut = {"pprint", "random", "striptags", "urlize", "wordwrap"};
  if (kLeftOut.contains(name)) return "Jinja's filter '" + name + "' is not supported in chat templates";
  return "there is no filter named '" + name + "'";
}

}  // namespace gptq::chat
