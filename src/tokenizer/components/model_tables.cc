// Reads vocabulary, merges and pieces event by event, with errors that name the entry.
#include "tokenizer/components/model_tables.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include <gptq/error.h>

namespace gptq::tokenizer {

namespace {

[[noreturn]] void refuse(const std::string& table, size_t entry, const std::string& found,
                         const std::string& expected) {
  throw Error(ErrorKind::kVerification,
              table + ", entry " + std::to_string(entry) + ": found " + found + ", expected " + expected);
}

constexpr const char* kMergeForm = "\"left right\" or [\"left\", \"right\"]";
constexpr const char* kPieceForm = "[\"piece\", score]";

}  // namespace

void VocabTap::key(std::string& name) { entries_.emplace_back(std::move(name), -1); }
void VocabTap::integer(int64_t value) { entries_.back().second = value; }
void VocabTap::real(const std::string&) { other("a float"); }
void VocabTap::string(std::string&) { other("a string"); }
void VocabTap::open_array() { other("a list"); }
void VocabTap::other(const char* kind) { refuse("model.vocab", entries_.size(), kind, "a token id"); }

void MergesTap::key(std::string&) { other("an object"); }
void MergesTap::integer(int64_t) { other("a number"); }
void MergesTap::real(const std::string&) { other("a number"); }
void MergesTap::other(const char* kind) { refuse("model.merges", size(), kind, kMergeForm); }

void MergesTap::open_array() {
  if (in_pair_) other("a list inside a pair");
  in_pair_ = true;
  pair_.clear();
}

void MergesTap::close_array() {
  if (pair_.size() != 2) other("a list that is not a pair");
  add(pair_[0], pair_[1]);
  in_pair_ = false;
}

void MergesTap::string(std::string& value) {
  if (in_pair_) {
    if (pair_.size() == 2) other("a list of three");
    pair_.push_back(std::move(value));
    return;
  }
  if (value.starts_with("#version")) return;  // the first line of an old merges file
  const size_t space = value.find(' ');
  if (space == std::string::npos || value.find(' ', space + 1) != std::string::npos) {
    refuse("model.merges", size(), "\"" + value + "\"", "two tokens with one space between them");
  }
  add(std::string_view(value).substr(0, space), std::string_view(value).substr(space + 1));
}

void MergesTap::add(std::string_view left, std::string_view right) {
  text_.append(left);
  middles_.push_back(text_.size());
  text_.append(right);
  ends_.push_back(text_.size());
}

void PiecesTap::key(std::string&) { other("an object"); }
void PiecesTap::other(const char* kind) { refuse("model.vocab", entries_.size(), kind, kPieceForm); }
void PiecesTap::integer(int64_t value) { score(static_cast<double>(value)); }
void PiecesTap::real(const std::string& digits) { score(reference_score(digits)); }

void PiecesTap::open_array() {
  if (fields_ >= 0) other("a list inside a pair");
  fields_ = 0;
}

void PiecesTap::close_array() {
  if (fields_ != 2) other("a list that is not a pair");
  fields_ = -1;
}

void PiecesTap::string(std::string& value) {
  if (fields_ != 0) other("a string that is not the first value of a pair");
  entries_.push_back({std::move(value), 0});
  fields_ = 1;
}

void PiecesTap::score(double value) {
  if (fields_ != 1) other("a number that is not the second value of a pair");
  if (!std::isfinite(value)) other("a score out of range");
  entries_.back().score = value;
  fields_ = 2;
}

// The leading digits that fit in 64 bits, as an integer, multiplied or divided by a power of ten.
double reference_score(std::string_view digits) {
  size_t position = 0;
  const bool negative = !digits.empty() && digits[0] == '-';
  if (negative) ++position;
  const auto digit_here = [&] {
    return position < digits.size() && digits[position] >= '0' && digits[position] <= '9';
  };
  uint64_t significand = 0;
  int64_t exponent = 0;
  bool full = false;
  const auto read_digits = [&](int64_t step_kept, int64_t step_dropped) {
    for (; digit_here(); ++position) {
      const auto digit = static_cast<uint64_t>(digits[position] - '0');
      full = full || significand > (UINT64_MAX - digit) / 10;
      if (!full) significand = significand * 10 + digit;
      exponent += full ? step_dropped : step_kept;
    }
  };
  read_digits(0, 1);
  if (position < digits.size() && digits[position] == '.') {
    ++position;
    read_digits(-1, 0);
  }
  if (position < digits.size() && (digits[position] == 'e' || digits[position] == 'E')) {
    ++position;
    const bool down = position < digits.size() && digits[position] == '-';
    if (position < digits.size() && (digits[position] == '-' || digits[position] == '+')) ++position;
    int64_t written = 0;
    for (; digit_here(); ++position) {
      if (written < 1'000'000) written = written * 10 + (digits[position] - '0');
    }
    exponent += down ? -written : written;
  }
  double value = static_cast<double>(significand);
  while (value != 0 && exponent < -308) {
    value /= 1e308;
    exponent += 308;
  }
  if (value != 0) {
    const double power = std::pow(10.0, static_cast<double>(std::min<int64_t>(std::abs(exponent), 400)));
    value = exponent < 0 ? value / power : value * power;
  }
  return negative ? -value : value;
}

}  // namespace gptq::tokenizer
