// The treatment of delimiters when a text is split: the five behaviours of Split and Punctuation.
#pragma once

#include <string>

#include "tokenizer/components/pipeline_component.h"
#include "tokenizer/components/text_pattern.h"

namespace gptq::tokenizer {

// On "The-final--countdown", splitting at "-":
//   kRemoved             The final countdown
//   kIsolated            The - final - - countdown
//   kMergedWithPrevious  The- final- - countdown
//   kMergedWithNext      The -final - -countdown
//   kContiguous          The - final -- countdown
enum class SplitBehavior { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };

SplitBehavior split_behavior(const PipelineComponent& component, const std::string& fallback);

// Joins the segments of one text, given in order, and passes on the resulting ones: `sink(begin, end)`.
template <typename Sink>
class SegmentJoiner {
 public:
  SegmentJoiner(SplitBehavior behavior, const Sink& sink) : behavior_(behavior), sink_(sink) {}

  void add(const Segment& stretch) {
    switch (behavior_) {
      case SplitBehavior::kRemoved:
        if (!stretch.match) sink_(stretch.begin, stretch.end);
        return;
      case SplitBehavior::kIsolated: return sink_(stretch.begin, stretch.end);
      case SplitBehavior::kMergedWithPrevious: return extend_if(stretch, stretch.match && !last_match_);
      case SplitBehavior::kMergedWithNext: return extend_if(stretch, !stretch.match && last_match_);
      case SplitBehavior::kContiguous: return extend_if(stretch, stretch.match == last_match_);
    }
  }

  // Call once, after the last segment.
  void finish() {
    if (pending_) sink_(begin_, end_);
  }

 private:
  void extend_if(const Segment& stretch, bool joins) {
    last_match_ = stretch.match;
    if (pending_ && joins) {
      end_ = stretch.end;
      return;
    }
    finish();
    pending_ = true;
    begin_ = stretch.begin;
    end_ = stretch.end;
  }

  SplitBehavior behavior_;
  const Sink& sink_;
  size_t begin_ = 0, end_ = 0;  // the segment that the next one may be joined to
  bool pending_ = false;
  bool last_match_ = false;
};

}  // namespace gptq::tokenizer
