// Looking a filter up in the tables.
#include "text/template/filters.h"

namespace gptq::chat {

Native find_filter(const std::string& name) {
  for (const auto* table : {&text_filters(), &list_filters(), &number_filters()}) {
    const auto found = table->find(name);
    if (found != table->end()) return found->second;
  }
  return nullptr;
}

}  // namespace gptq::chat
