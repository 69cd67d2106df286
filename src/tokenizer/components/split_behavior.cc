// The names of the behaviours.
#include "tokenizer/components/split_behavior.h"

#include <map>

namespace gptq::tokenizer {

SplitBehavior split_behavior(const PipelineComponent& component, const std::string& fallback) {
  static const std::map<std::string, SplitBehavior> kNames = {
      {"Removed", SplitBehavior::kRemoved},
      {"Isolated", SplitBehavior::kIsolated},
      {"MergedWithPrevious", SplitBehavior::kMergedWithPrevious},
      {"MergedWithNext", SplitBehavior::kMergedWithNext},
      {"Contiguous", SplitBehavior::kContiguous}};
  const auto found = kNames.find(component.reader().string("behavior", fallback));
  if (found == kNames.end()) {
    component.reader().fail("behavior", "Removed, Isolated, MergedWithPrevious, MergedWithNext or Contiguous");
  }
  return found->second;
}

}  // namespace gptq::tokenizer
