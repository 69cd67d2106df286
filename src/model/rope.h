// Tables of cos and sin for rotary position embeddings.
#pragma once

#include <vector>

#include "backend/backend.h"
#include "model/architecture.h"

namespace gptq::model {

// Angular frequency of each pair for a context of `length` tokens                                   [rotary_dim / 2]
std::vector<double> rope_frequencies(const RopeSpec& rope, int64_t length);

// Grows to the longest context requested. With `dynamic` scaling, which depends on the length, the table is recomputed
// for contexts beyond the original maximum. Cached keys keep their original angles, as in transformers.
class RopeTable {
 public:
  RopeTable(const RopeSpec& spec, Backend& backend) : spec_(spec), backend_(backend) {}

  // Angles of at least the positions 0 … length − 1, for a context of `length` positions. Valid until the next call.
  backend::RopeAngles angles(int64_t length);

 private:
  void build(int64_t length);

  RopeSpec spec_;
  Backend& backend_;
  Matrix cos_, sin_;    // F32 [built_, rotary_dim / 2]
  int64_t built_ = 0;   // positions in the table
  int64_t length_ = 0;  // context length of the frequencies
};

}  // namespace gptq::model
