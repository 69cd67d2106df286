// strftime with English names in any locale, including extensions of the C library such as "%-d".
#pragma once

#include <ctime>
#include <string>

namespace gptq::chat {

std::string format_time(const std::tm& time, const std::string& format);

}  // namespace gptq::chat
