// The thread pool: every index once, exceptions come back, the pool survives them.
#include "core/threads.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <vector>

#include <gptq/error.h>

#include "core/background.h"

namespace gptq {
namespace {

TEST(ThreadPool, RunsEveryIndexOnce) {
  for (const int threads : {1, 2, 5}) {
    ThreadPool pool(threads);
    EXPECT_EQ(pool.size(), threads);
    for (const int64_t count : {0, 1, 2, 7, 1000}) {
      std::vector<std::atomic<int>> seen(static_cast<size_t>(count));
      pool.parallel_for(count, [&](int64_t i) { seen[static_cast<size_t>(i)].fetch_add(1); });
      for (const auto& times : seen) EXPECT_EQ(times.load(), 1);
    }
  }
  EXPECT_GE(ThreadPool(0).size(), 1);
}

TEST(ThreadPool, ManyShortLoops) {
  ThreadPool pool(3);
  std::atomic<int64_t> sum{0};
  for (int round = 0; round < 2000; ++round) pool.parallel_for(4, [&](int64_t i) { sum.fetch_add(i); });
  EXPECT_EQ(sum.load(), 2000 * 6);
}

TEST(ThreadPool, RethrowsAndGoesOn) {
  for (const int threads : {1, 4}) {
    ThreadPool pool(threads);
    for (int round = 0; round < 20; ++round) {
      EXPECT_THROW(pool.parallel_for(100,
                                     [](int64_t i) {
                                       if (i == 3) throw std::runtime_error("three");
                                     }),
                   std::runtime_error);
      std::atomic<int> count{0};
      pool.parallel_for(50, [&](int64_t) { count.fetch_add(1); });
      EXPECT_EQ(count.load(), 50);
    }
  }
}

// In a process of its own, where no address is left for a stack.
TEST(ThreadPool, AThreadThatCannotBeStartedIsAnError) {
#ifdef GPTQ_SANITIZED
  GTEST_SKIP() << "sanitizers need more addresses than the limit leaves";
#endif
  const auto start_many = [](const std::function<void()>& start) {
    const rlimit limit = {size_t{2} << 30, size_t{2} << 30};
    setrlimit(RLIMIT_AS, &limit);
    try {
      start();
    } catch (const Error& error) {
      std::fputs(error.what(), stderr);
      _exit(error.exit_code());
    }
    _exit(99);
  };
  EXPECT_EXIT(start_many([] { ThreadPool pool(4096); }), ::testing::ExitedWithCode(1),
              "starting a thread: .*fewer --threads");
  EXPECT_EXIT(start_many([] {
                std::vector<std::unique_ptr<BackgroundThread>> threads;
                for (int i = 0; i < 4096; ++i) threads.push_back(std::make_unique<BackgroundThread>(1));
              }),
              ::testing::ExitedWithCode(1), "starting a thread: ");
}

}  // namespace
}  // namespace gptq
