// The number of input columns of a linear that share a scale and a zero point.
#pragma once

#include <algorithm>
#include <cstdint>

namespace gptq {

// For a linear with K inputs. The last group is shorter if the size does not divide K.
class GroupSize {
 public:
  // As in files and options: a number of columns, or −1 for all of them.
  explicit constexpr GroupSize(int64_t value) : value_(value) {}

  constexpr bool is_whole_row() const { return value_ < 0; }
  constexpr int64_t columns(int64_t k) const { return is_whole_row() ? k : std::min(value_, k); }  // of a group
  constexpr int64_t groups(int64_t k) const { return (k + columns(k) - 1) / columns(k); }          // G
  // Whether groups of this size are smaller than those of the other.
  constexpr bool is_finer_than(GroupSize other) const {
    return !is_whole_row() && (other.is_whole_row() || value_ < other.value_);
  }

 private:
  int64_t value_;
};

}  // namespace gptq
