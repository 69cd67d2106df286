// What becomes of the delimiters when a text is split: the five behaviours of Split and Punctuation.
#pragma once

#include <string>
#include <vector>

#include "text/component.h"
#include "text/pattern.h"

namespace gptq {

// On "The-final--countdown", splitting at "-":
//   kRemoved             The final countdown
//   kIsolated            The - final - - countdown
//   kMergedWithPrevious  The- final- - countdown
//   kMergedWithNext      The -final - -countdown
//   kContiguous          The - final -- countdown
enum class SplitBehavior { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };

SplitBehavior split_behavior(const Component& component, const std::string& fallback);

// The stretches that remain after joining (`match` tells those to drop). Empty ones may be among them.
std::vector<Stretch> joined(std::vector<Stretch> stretches, SplitBehavior behavior);

}  // namespace gptq
