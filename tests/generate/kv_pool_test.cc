// Pages of the key-value cache: who owns them, what is shared, what is copied, and that results do not depend on it.
#include "generate/kv_pool.h"

#include <gtest/gtest.h>

#include <gptq/error.h>

#include <random>

#include "backend/cpu/cpu_backend.h"
#include "checkpoint/checkpoint.h"
#include "tests/checkpoint/model_files.h"
#include "tests/generate/demo.h"

namespace gptq::generate {
namespace {

constexpr int64_t kSize = KvPool::kPageSize;

class KvPools : public ::testing::Test {
 protected:
  std::vector<int> text(int64_t length, unsigned seed) const {
    std::mt19937 random(seed);
    std::vector<int> tokens;
    for (int64_t i = 0; i < length; ++i) tokens.push_back(static_cast<int>(random() % 4000));
    return tokens;
  }

  // Runs tokens of a sequence behind what it has; logits of the last.
  std::vector<float> run(Sequence& sequence, std::span<const int> tokens, KvPool& pool) {
    sequence.reserve(sequence.length() + static_cast<int64_t>(tokens.size()));
    model::Batch batch;
    batch.add(tokens, sequence.length(), sequence.pages());
    const int last = static_cast<int>(tokens.size()) - 1;
    const std::vector<float> logits = backend_->download(model_.forward(batch, {&last, 1}, pool.cache()));
    sequence.append(tokens);
    return logits;
  }

  std::unique_ptr<backend::Backend> backend_ = backend::make_cpu_backend(2);
  model::Model model_{checkpoint::Checkpoint::open(kDemo), *backend_};
};

TEST_F(KvPools, PagesComeBackWhenSequencesEnd) {
  KvPool pool(model_, *backend_, 6);
  EXPECT_EQ(pool.free_pages(), 6);
  {
    Sequence a(pool), b(pool);
    a.reserve(3 * kSize);
    b.reserve(kSize + 1);
    EXPECT_EQ(pool.free_pages(), 1);
    testing::expect_error(ErrorKind::kOutOfMemory, {"2 pages are needed", "1 are free"}, [&] { b.reserve(4 * kSize); });
    EXPECT_EQ(b.pages().size(), 2u) << "what it had is unchanged";
    a.truncate(0);
    EXPECT_EQ(pool.free_pages(), 4);
    Sequence moved = std::move(b);
    EXPECT_EQ(pool.free_pages(), 4);
  }
  EXPECT_EQ(pool.free_pages(), 6);
}

TEST_F(KvPools, PrefixesAreSharedAndGiveTheSameLogits) {
  KvPool pool(model_, *backend_, 12);
  const std::vector<int> prompt = text(3 * kSize + 7, 1);
  Sequence first(pool);
  const std::vector<float> want = run(first, prompt, pool);
  Sequence second(pool);
  second.extend_from_published(prompt, static_cast<int64_t>(prompt.size()) - 1);
  ASSERT_EQ(second.length(), 3 * kSize);
  EXPECT_TRUE(std::equal(second.pages().begin(), second.pages().end(), first.pages().begin()));
  const int64_t free = pool.free_pages();
  // 7 tokens behind shared pages and the whole prompt are different products; the difference is rounding.
  const std::vector<float> got = run(second, std::span(prompt).subspan(3 * kSize), pool);
  for (size_t i = 0; i < want.size(); ++i) ASSERT_NEAR(got[i], want[i], 1e-3) << i;
  EXPECT_EQ(pool.free_pages(), free - 1) << "only the last page is its own";

  Sequence other(pool);
  std::vector<int> different = prompt;
  different[kSize + 3] += 1;
  other.extend_from_published(different, static_cast<int64_t>(different.size()) - 1);
  EXPECT_EQ(other.length(), kSize) << "the second page differs, and the third only looks the same";
}

TEST_F(KvPools, UnusedPrefixesStayUntilTheirPagesAreNeeded) {
  KvPool pool(model_, *backend_, 3);
  const std::vector<int> prompt = text(2 * kSize, 2);
  {
    Sequence sequence(pool);
    run(sequence, prompt, pool);
  }
  EXPECT_EQ(pool.free_pages(), 3);
  {
    Sequence again(pool);
    again.extend_from_published(prompt, 2 * kSize);
    EXPECT_EQ(again.length(), 2 * kSize);
  }
  Sequence large(pool);
  large.reserve(3 * kSize);
  EXPECT_EQ(pool.free_pages(), 0);
  large.truncate(0);
  Sequence late(pool);
  late.extend_from_published(prompt, 2 * kSize);
  EXPECT_EQ(late.length(), 0) << "the pages were given to another sequence";
}

TEST_F(KvPools, ForksCopyTheLastPageWhenTheyWrite) {
  KvPool pool(model_, *backend_, 8);
  const std::vector<int> prompt = text(kSize + 9, 3), one = text(5, 4), two = text(5, 5);
  Sequence a(pool);
  run(a, prompt, pool);
  Sequence b = a.fork();
  EXPECT_EQ(pool.free_pages(), 6) << "nothing is copied yet";
  const std::vector<float> of_a = run(a, one, pool), of_b = run(b, two, pool);
  EXPECT_EQ(a.pages()[0], b.pages()[0]);
  EXPECT_NE(a.pages()[1], b.pages()[1]);
  // As if each had been alone.
  KvPool fresh(model_, *backend_, 8);
  Sequence c(fresh), d(fresh);
  run(c, prompt, fresh);
  run(d, prompt, fresh);
  EXPECT_EQ(run(c, one, fresh), of_a);
  EXPECT_EQ(run(d, two, fresh), of_b);
}

TEST_F(KvPools, TruncatedPagesAreNotFoundByWhatTheyHeld) {
  KvPool pool(model_, *backend_, 6);
  const std::vector<int> prompt = text(2 * kSize, 6);
  Sequence a(pool);
  run(a, prompt, pool);
  a.truncate(kSize + 5);
  run(a, text(kSize, 7), pool);
  Sequence b(pool);
  b.extend_from_published(prompt, 2 * kSize);
  EXPECT_EQ(b.length(), kSize) << "the second page holds other tokens now";
  a.discard();
  Sequence c(pool);
  c.extend_from_published(prompt, 2 * kSize);
  EXPECT_EQ(c.length(), 0) << "nobody may use what a failed run left";
}

TEST_F(KvPools, GrowingKeepsPagesAndTheirContents) {
  KvPool pool(model_, *backend_, 2);
  const std::vector<int> prompt = text(40, 8), more = text(3, 9);
  Sequence a(pool);
  run(a, prompt, pool);
  pool.grow(5);
  EXPECT_EQ(pool.free_pages(), 3);
  const std::vector<float> got = run(a, more, pool);
  KvPool fresh(model_, *backend_, 5);
  Sequence b(fresh);
  run(b, prompt, fresh);
  EXPECT_EQ(run(b, more, fresh), got);
}

// Prompts and single tokens of several sequences in one batch, pages in any order: what each sequence gives alone.
TEST_F(KvPools, MixedBatchesAsIfAlone) {
  KvPool pool(model_, *backend_, 40);
  std::vector<Sequence> sequences;
  std::vector<std::vector<int>> before = {text(70, 10), text(3, 11), {}, text(130, 12)};
  const std::vector<std::vector<int>> now = {text(1, 13), text(17, 14), text(40, 15), text(5, 16)};
  for (size_t i = 0; i < before.size(); ++i) sequences.emplace_back(pool);
  for (int64_t at = 0; at < 130; at += 20) {  // by turns, so that their pages lie between each other's
    for (size_t i = 0; i < before.size(); ++i) {
      const std::span<const int> all = before[i];
      if (at >= static_cast<int64_t>(all.size())) continue;
      run(sequences[i],
          all.subspan(static_cast<size_t>(at), std::min<size_t>(20, all.size() - static_cast<size_t>(at))), pool);
    }
  }
  model::Batch batch;
  std::vector<int> rows;
  for (size_t i = 0; i < now.size(); ++i) {
    sequences[i].reserve(sequences[i].length() + static_cast<int64_t>(now[i].size()));
    batch.add(now[i], sequences[i].length(), sequences[i].pages());
    rows.push_back(static_cast<int>(batch.size()) - 1);
  }
  const std::vector<float> together = backend_->download(model_.forward(batch, rows, pool.cache()));
  const size_t width = together.size() / rows.size();
  for (size_t i = 0; i < now.size(); ++i) {
    const std::vector<float> alone = run(sequences[i], now[i], pool);
    for (size_t v = 0; v < width; ++v) ASSERT_NEAR(together[i * width + v], alone[v], 1e-3) << "sequence " << i;
  }
}

}  // namespace
}  // namespace gptq::generate
