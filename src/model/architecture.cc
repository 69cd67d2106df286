// Properties of an architecture derived from its parts.
#include "model/architecture.h"

#include <algorithm>

namespace gptq::model {

bool Architecture::depends_on_length() const {
  return std::any_of(ropes.begin(), ropes.end(), [](const RopeSpec& rope) { return rope.type == RopeType::kDynamic; });
}

}  // namespace gptq::model
