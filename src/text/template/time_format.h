// strftime with English names whatever the locale, and with "%-d" for numbers without padding.
#pragma once

#include <ctime>
#include <string>

namespace gptq::chat {

std::string format_time(const std::tm& time, const std::string& format);

}  // namespace gptq::chat
