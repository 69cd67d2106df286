// A bounded memory of words already tokenized, one for each thread that is encoding.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include <gptq/tokenizer.h>

namespace gptq::tokenizer {

// Direct-mapped: a new word takes the place of an older one with the same slot, so the size never grows.
class WordCache {
 public:
  static constexpr size_t kMaxWordBytes = 64;  // longer ones rarely come back

  WordCache() : entries_(kEntries) {}

  // Appends the word's ids: those remembered, or those that `compute` appends.
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

// Lends caches out; as many exist as there were ever threads encoding at the same time. Thread-safe.
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
