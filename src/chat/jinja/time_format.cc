// C's strftime in the C locale, after the replacements that Python makes before calling it.
#include "chat/jinja/time_format.h"

#include <locale.h>
#include <string>

#include "chat/jinja/value.h"

namespace gptq::chat {

std::string format_time(const std::tm& time, const std::string& format) {
  std::string prepared;
  for (size_t i = 0; i < format.size(); ++i) {
    const char next = format[i] == '%' && i + 1 < format.size() ? format[i + 1] : '\0';
    if (next == '\0') {
      prepared += format[i];
      continue;
    }
    ++i;
    if (next == 'f')
      prepared += "000000";               // the clock has whole seconds
    else if (next != 'z' && next != 'Z')  // the template's time has no zone
      prepared += std::string("%") + next;
  }
  if (prepared.find('\0') != std::string::npos) fail("a zero byte in the format of a time");
  static const locale_t kPlain = ::newlocale(LC_ALL_MASK, "C", static_cast<locale_t>(nullptr));
  constexpr size_t kMaxLength = size_t{1} << 16;
  std::string out(kMaxLength, '\0');
  prepared += ' ';  // to distinguish an empty result from one that does not fit
  const size_t size = ::strftime_l(out.data(), out.size(), prepared.c_str(), &time, kPlain);
  if (size == 0) fail("the format of a time makes more than 64 KiB");
  out.resize(size - 1);
  return out;
}

}  // namespace gptq::chat
