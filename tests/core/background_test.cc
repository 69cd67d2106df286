// The background thread: order, the bound, and errors that come back to the caller.
#include "core/background.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <stdexcept>
#include <vector>

namespace gptq {
namespace {

TEST(BackgroundThread, DoesTasksInOrderAndTheRestBeforeItGoes) {
  std::vector<int> done;
  {
    BackgroundThread thread(10);
    for (int i = 0; i < 100; ++i) thread.add(3, [&, i] { done.push_back(i); });
    thread.drain();
    EXPECT_EQ(done.size(), 100u);
    for (int i = 100; i < 200; ++i) thread.add(0, [&, i] { done.push_back(i); });
  }
  ASSERT_EQ(done.size(), 200u);
  for (int i = 0; i < 200; ++i) EXPECT_EQ(done[static_cast<size_t>(i)], i);
}

TEST(BackgroundThread, CallersWaitWhenTooMuchIsHeld) {
  std::promise<void> gate;
  const std::shared_future<void> open = gate.get_future().share();
  BackgroundThread thread(10);
  thread.add(100, [open] { open.wait(); });  // passes: nothing is in front of it
  std::atomic<bool> passed = false;
  std::thread caller([&] {
    thread.add(1, [] {});
    passed = true;
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_FALSE(passed);
  gate.set_value();
  caller.join();
  EXPECT_TRUE(passed);
  thread.drain();
}

TEST(BackgroundThread, WhatATaskHoldsIsFreeWhenItIsDone) {
  const auto held = std::make_shared<int>(1);
  BackgroundThread thread(10);
  thread.add(1, [held] {});
  thread.drain();
  EXPECT_EQ(held.use_count(), 1);
}

TEST(BackgroundThread, TheFirstErrorEndsTheWorkAndComesOutOfEveryCall) {
  std::promise<void> gate;
  const std::shared_future<void> open = gate.get_future().share();
  std::atomic<int> later = 0;
  BackgroundThread thread(10);
  thread.add(1, [open] {
    open.wait();
    throw std::runtime_error("full");
  });
  thread.add(1, [&] { ++later; });
  std::thread caller([&] { EXPECT_THROW(thread.add(20, [&] { ++later; }), std::runtime_error); });
  gate.set_value();
  caller.join();
  EXPECT_THROW(thread.drain(), std::runtime_error);
  EXPECT_THROW(thread.add(0, [&] { ++later; }), std::runtime_error);
  EXPECT_THROW(thread.drain(), std::runtime_error);
  EXPECT_EQ(later, 0);
}

}  // namespace
}  // namespace gptq
