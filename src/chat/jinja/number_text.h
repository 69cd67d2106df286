// Numbers in Python's format codes: d x o b, e f g.
#pragma once

#include <cstdint>
#include <string>

namespace gptq::chat {

// Python's shortest form that reads back as the same number: 1.0, 0.1, 1e-05, 1e+16, inf, nan.
std::string float_text(double number);

// The digits of |number|, without sign or prefix.
std::string integer_digits(int64_t number, int base, bool upper);

// |number| by one of the codes e E f F g G; `alternate` keeps the point and trailing zeros of g.
std::string real_digits(double number, char code, int precision, bool alternate);

// |number| for a format without a code but with a precision: like g, with at least one digit after the point.
std::string general_digits(double number, int precision);

}  // namespace gptq::chat
