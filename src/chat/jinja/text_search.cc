// memmem is linear, unlike std::string::find; for the last occurrence both texts are turned around.
#include "chat/jinja/text_search.h"

#include <cstring>

namespace gptq::chat {

size_t find_text(const std::string& text, const std::string& part, size_t from) {
  if (from > text.size()) return std::string::npos;
  const void* found = ::memmem(text.data() + from, text.size() - from, part.data(), part.size());
  return found == nullptr ? std::string::npos : static_cast<size_t>(static_cast<const char*>(found) - text.data());
}

size_t rfind_text(const std::string& text, const std::string& part, size_t end) {
  if (part.size() > end) return std::string::npos;
  if (part.empty()) return end;
  constexpr size_t kShort = 64;
  if (part.size() <= kShort) return text.rfind(part, end - part.size());
  const std::string turned_text(text.rend() - static_cast<std::ptrdiff_t>(end), text.rend());
  const std::string turned_part(part.rbegin(), part.rend());
  const size_t found = find_text(turned_text, turned_part, 0);
  return found == std::string::npos ? found : end - found - part.size();
}

}  // namespace gptq::chat
