// The conversions of C's strftime in the C locale.
#include "text/template/time_format.h"

#include <array>

namespace gptq::chat {

namespace {

std::string padded(int number, int width, char filler, bool pad) {
  const std::string digits = std::to_string(number);
  const int missing = pad ? width - static_cast<int>(digits.size()) : 0;
  return std::string(missing > 0 ? static_cast<size_t>(missing) : 0, filler) + digits;
}

// `pad` is false after "%-".
std::string time_field(const std::tm& time, char field, bool pad) {
  static constexpr std::array<const char*, 7> kDays = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                                       "Thursday", "Friday", "Saturday"};
  static constexpr std::array<const char*, 12> kMonths = {"January",   "February", "March",    "April",
                                                          "May",       "June",     "July",     "August",
                                                          "September", "October",  "November", "December"};
  const std::string day = kDays[static_cast<size_t>(time.tm_wday)];
  const std::string month = kMonths[static_cast<size_t>(time.tm_mon)];
  const int hour12 = time.tm_hour % 12 == 0 ? 12 : time.tm_hour % 12;
  switch (field) {
    case 'Y': return std::to_string(time.tm_year + 1900);
    case 'y': return padded((time.tm_year % 100 + 100) % 100, 2, '0', pad);
    case 'm': return padded(time.tm_mon + 1, 2, '0', pad);
    case 'd': return padded(time.tm_mday, 2, '0', pad);
    case 'e': return padded(time.tm_mday, 2, ' ', pad);
    case 'H': return padded(time.tm_hour, 2, '0', pad);
    case 'I': return padded(hour12, 2, '0', pad);
    case 'k': return padded(time.tm_hour, 2, ' ', pad);
    case 'l': return padded(hour12, 2, ' ', pad);
    case 'M': return padded(time.tm_min, 2, '0', pad);
    case 'S': return padded(time.tm_sec, 2, '0', pad);
    case 'j': return padded(time.tm_yday + 1, 3, '0', pad);
    case 'U': return padded((time.tm_yday + 7 - time.tm_wday) / 7, 2, '0', pad);
    case 'W': return padded((time.tm_yday + 7 - (time.tm_wday + 6) % 7) / 7, 2, '0', pad);
    case 'p': return time.tm_hour < 12 ? "AM" : "PM";
    case 'A': return day;
    case 'a': return day.substr(0, 3);
    case 'B': return month;
    case 'b':
    case 'h': return month.substr(0, 3);
    case 'w': return std::to_string(time.tm_wday);
    case 'u': return std::to_string(time.tm_wday == 0 ? 7 : time.tm_wday);
    case 'f': return "000000";
    case 'z':
    case 'Z': return "";  // the template's time has no zone
    case 'F': return format_time(time, "%Y-%m-%d");
    case 'T':
    case 'X': return format_time(time, "%H:%M:%S");
    case 'R': return format_time(time, "%H:%M");
    case 'D':
    case 'x': return format_time(time, "%m/%d/%y");
    case 'c': return format_time(time, "%a %b %e %H:%M:%S %Y");
    case 'r': return format_time(time, "%I:%M:%S %p");
    case 'n': return "\n";
    case 't': return "\t";
    case '%': return "%";
    default: return std::string("%") + (pad ? "" : "-") + field;
  }
}

}  // namespace

std::string format_time(const std::tm& time, const std::string& format) {
  std::string out;
  for (size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%' || i + 1 == format.size()) {
      out += format[i];
      continue;
    }
    const bool bare = format[i + 1] == '-' && i + 2 < format.size();
    i += bare ? 2 : 1;
    out += time_field(time, format[i], !bare);
  }
  return out;
}

}  // namespace gptq::chat
