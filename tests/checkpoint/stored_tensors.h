// The tensors that a packed weight is stored as.
#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "checkpoint/packed_format.h"

namespace gptq::testing {

inline std::vector<std::pair<std::string, Tensor>> stored_tensors(const PackedWeight& weight, const std::string& module,
                                                                  checkpoint::CheckpointFormat format) {
  std::vector<std::pair<std::string, Tensor>> tensors;
  checkpoint::for_each_stored(weight, module, format, [&](const std::string& name, const TensorView& view) {
    Tensor copy(view.dtype, view.shape);
    std::copy_n(view.data, view.bytes(), copy.data());
    tensors.emplace_back(name, std::move(copy));
  });
  return tensors;
}

}  // namespace gptq::testing
