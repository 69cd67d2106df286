// Joining matches and gaps by behaviour.
#include "text/split_behavior.h"

#include <algorithm>
#include <map>

namespace gptq {

namespace {

// A delimiter joins the gap before it, unless it follows another delimiter.
std::vector<Stretch> merged_with_previous(const std::vector<Stretch>& stretches) {
  std::vector<Stretch> result;
  bool after_match = false;
  for (const Stretch& stretch : stretches) {
    if (stretch.match && !after_match && !result.empty())
      result.back().end = stretch.end;
    else
      result.push_back({stretch.begin, stretch.end, false});
    after_match = stretch.match;
  }
  return result;
}

std::vector<Stretch> merged_with_next(const std::vector<Stretch>& stretches) {
  std::vector<Stretch> result;
  bool before_match = false;
  for (auto stretch = stretches.rbegin(); stretch != stretches.rend(); ++stretch) {
    if (stretch->match && !before_match && !result.empty())
      result.back().begin = stretch->begin;
    else
      result.push_back({stretch->begin, stretch->end, false});
    before_match = stretch->match;
  }
  std::reverse(result.begin(), result.end());
  return result;
}

std::vector<Stretch> contiguous(const std::vector<Stretch>& stretches) {
  std::vector<Stretch> result;
  bool match = false;
  for (const Stretch& stretch : stretches) {
    if (stretch.match == match && !result.empty())
      result.back().end = stretch.end;
    else
      result.push_back({stretch.begin, stretch.end, false});
    match = stretch.match;
  }
  return result;
}

}  // namespace

SplitBehavior split_behavior(const Component& component, const std::string& fallback) {
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

std::vector<Stretch> joined(std::vector<Stretch> stretches, SplitBehavior behavior) {
  switch (behavior) {
    case SplitBehavior::kRemoved: return stretches;
    case SplitBehavior::kMergedWithPrevious: return merged_with_previous(stretches);
    case SplitBehavior::kMergedWithNext: return merged_with_next(stretches);
    case SplitBehavior::kContiguous: return contiguous(stretches);
    case SplitBehavior::kIsolated: break;
  }
  for (Stretch& stretch : stretches) stretch.match = false;
  return stretches;
}

}  // namespace gptq
