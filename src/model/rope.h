// Tables of cos and sin for rotary position embeddings.
#pragma once

#include <vector>

#include "backend/backend.h"
#include "model/architecture.h"

namespace gptq {

// Rotation speed of each pair at a context of `length` tokens                                       [D/2]
std::vector<double> rope_frequencies(const RopeSpec& rope, int64_t head_dim, int64_t length);

// Grows to the longest context asked for. `dynamic` scaling depends on the length, so its table is made again
// whenever the context passes the original maximum (keys already in a cache keep their old angles, as in
// transformers).
class RopeTable {
 public:
  RopeTable(const Architecture& architecture, Backend& backend);

  struct Rows {
    MatrixView cos, sin;
  };  // [count, D/2]
  Rows rows(int64_t first_position, int64_t count);

 private:
  void build(int64_t length);

  const Architecture& architecture_;
  Backend& backend_;
  Matrix cos_, sin_;    // [built_, D/2]
  int64_t built_ = 0;   // positions in the table
  int64_t length_ = 0;  // context length the frequencies are for
};

}  // namespace gptq
