// Stop strings in pieces of text.
#include "generate/stop.h"

#include <gtest/gtest.h>

namespace gptq::generate {
namespace {

TEST(StopStrings, FoundAcrossPiecesAndNeverShown) {
  StopStrings stop({"END", "\n\n"});
  EXPECT_EQ(stop.push("one E"), "one ");
  EXPECT_EQ(stop.push("N"), "");
  EXPECT_FALSE(stop.found());
  EXPECT_EQ(stop.push("D two"), "");
  EXPECT_TRUE(stop.found());
  EXPECT_EQ(stop.push("more"), "");
  EXPECT_EQ(stop.finish(), "");
}

TEST(StopStrings, WhatOnlyLookedLikeAStopIsShown) {
  StopStrings stop({"END"});
  EXPECT_EQ(stop.push("EN"), "");
  EXPECT_EQ(stop.push("EMY"), "ENEMY");
  EXPECT_EQ(stop.push(" EN"), " ");
  EXPECT_EQ(stop.finish(), "EN");
}

TEST(StopStrings, TheEarliestStopWins) {
  StopStrings stop({"c", "ab"});
  EXPECT_EQ(stop.push("xxabc"), "xx");
}

TEST(StopStrings, NoStringsNothingHeld) {
  StopStrings stop({"", ""});
  EXPECT_EQ(stop.push("anything"), "anything");
  EXPECT_FALSE(stop.found());
}

}  // namespace
}  // namespace gptq::generate
