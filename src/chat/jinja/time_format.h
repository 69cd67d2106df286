// strftime with English names whatever the locale, and with all that the C library adds, such as "%-d".
#pragma once

#include <ctime>
#include <string>

namespace gptq::chat {

std::string format_time(const std::tm& time, const std::string& format);

}  // namespace gptq::chat
