// A bounded cache of words already tokenized, one per encoding thread.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include <gptq/tokenizer.h>

namespace gptq::tokenizer {

// Direct-mapped: a new word replaces an older one in the same slot, so the size is constant.
class WordCache {
 public:
  static constexpr size_t kMaxWordBytes = 64;  // longer words rarely repeat

  WordCache() : entries_(kEntries) {}

  // Appends the ids of the word: cached ones, or those that `compute` appends.
  template <typename Compute>
  void encode(std::string_view word, std::vector<TokenId>& ids, const Compute& compute) {
    if (word.size() > kMaxWordBytes) return compute();
    Entry& entry = entries_[slot(word)];
    if (entry.word == word) {
      ids.insert(ids.end(), entry.ids.begin(), entry.ids.end());
      return;
    }
    const size_t before = ids.size();
    compute();
    entry.word = word;
    entry.ids.assign(ids.begin() + static_cast<std::ptrdiff_t>(before), ids.end());
  }

 private:
  static constexpr size_t kEntries = 1 << 15;
  struct Entry {
    std::string word;
    std::vector<TokenId> ids;
  };
  static size_t slot(std::string_view word) { return std::hash<std::string_view>{}(word) & (kEntries - 1); }

  std::vector<Entry> entries_;
};

// Lends caches to threads; there are as many as threads ever encoded at the same time. Thread-safe.
class WordCachePool {
 public:
  class Lease {
   public:
    explicit Lease(WordCachePool& pool) : pool_(pool), cache_(pool.take()) {}
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    ~Lease() { pool_.give_back(std::move(cache_)); }
    WordCache& operator*() { return *cache_; }

   private:
    WordCachePool& pool_;
    std::unique_ptr<WordCache> cache_;
  };

 private:
  std::unique_ptr<WordCache> take() {
    const std::lock_guard lock(mutex_);
    if (idle_.empty()) return std::make_unique<WordCache>();
    std::unique_ptr<WordCache> cache = std::move(idle_.back());
    idle_.pop_back();
    return cache;
  }
  void give_back(std::unique_ptr<WordCache> cache) {
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(cache));
  }

  std::mutex mutex_;
  std::vector<std::unique_ptr<WordCache>> idle_;
};

}  // namespace gptq::tokenizer
