// Who owns which page of the key-value cache: free pages, reference counts, prefixes that sequences share.
#pragma once

#include <cstdint>
#include <list>
#include <span>
#include <unordered_map>
#include <vector>

#include "model/model.h"

namespace gptq::generate {

// Pages of one model's cache. A page belongs to all sequences that refer to it. A page that is full may be published with its
// tokens and the page in front of it: another sequence that begins with the same tokens finds it there. Published
// pages that nobody uses stay until their memory is needed, the least recently used go first.
// Not thread-safe.
class KvPool {
 public:
  static constexpr int64_t kPageSize = model::KvCache::kPageSize;
  static constexpr int32_t kNoPage = -1;

  KvPool(const model::Model& model, backend::Backend& backend, int64_t pages);

  const model::KvCache& cache() const { return cache_; }
  int64_t pages() const { return cache_.pages(); }
  int64_t free_pages() const { return static_cast<int64_t>(free_.size() + unused_.size()); }

  // More pages; those there are keep their numbers and contents. What refers to cache()'s memory must be made again.
  void grow(int64_t pages);

  // A page of the caller's own. Throws Error(kOutOfMemory) when there is none.
  int32_t allocate();
  void retain(int32_t page);
  void release(int32_t page);
  bool is_shared(int32_t page) const { return at(page).references > 1; }

  // Says which kPageSize tokens a page holds, behind those of the published page `previous` (kNoPage: at position 0).
  // The same tokens may already be published in another page; then this one stays private.
  void publish(int32_t page, int32_t previous, std::span<const int> tokens);
  void unpublish(int32_t page);
  // The published page with these tokens behind those of `previous`, retained for the caller; kNoPage without one.
  int32_t find(int32_t previous, std::span<const int> tokens);

  void copy_page(int32_t to, int32_t from);

 private:
  struct Page {
    int references = 0;
    uint64_t hash = 0;  // of the whole prefix that ends with this page; 0: not published
    uint64_t previous_hash = 0;
    std::vector<int> tokens;  // of a published page
    std::list<int32_t>::iterator unused;
  };

  Page& at(int32_t page) { return pages_[static_cast<size_t>(page)]; }
  const Page& at(int32_t page) const { return pages_[static_cast<size_t>(page)]; }
  uint64_t prefix_hash(int32_t previous, std::span<const int> tokens) const;

  const model::Model& model_;
  backend::Backend& backend_;
  model::KvCache cache_;
  std::vector<Page> pages_;
  std::vector<int32_t> free_;
  std::list<int32_t> unused_;  // published pages without references, the least recently used first
  std::unordered_map<uint64_t, int32_t> published_;
};

// The tokens of one sequence that have run, and the pages that hold their keys and values. Owns references to its pages. The
// pool must outlive it.
class Sequence {
 public:
  explicit Sequence(KvPool& pool) : pool_(&pool) {}
  Sequence(Sequence&& other) noexcept;
  Sequence& operator=(Sequence&& other) noexcept;
  ~Sequence();

  // Another sequence with the same tokens. It shares the pages; whoever writes to a shared page first copies it.
  Sequence fork() const;

  const std::vector<int>& tokens() const { return tokens_; }
  int64_t length() const { return static_cast<int64_t>(tokens_.size()); }
  std::span<const int32_t> pages() const { return pages_; }
  int64_t capacity() const { return static_cast<int64_t>(pages_.size()) * KvPool::kPageSize; }

  int64_t missing_pages(int64_t positions) const;  // what reserve() would take of the pool
  // Pages for `positions` positions, all of those behind length() its own. Throws Error(kOutOfMemory), with what it had
  // unchanged, when the pool has too few.
  void reserve(int64_t positions);
  // Says that these tokens have run behind the others; `share` publishes the pages that they fill.
  void append(std::span<const int> tokens, bool share = true);
  void truncate(int64_t length);  // forgets the tokens behind
  void discard();                 // forgets all, also for those who would find its pages: their contents are wrong
  // Of a sequence that fills whole pages: takes published pages that continue it as `tokens` does, to at
  // most `limit` positions.
  void extend_from_published(std::span<const int> tokens, int64_t limit);

 private:
  bool copies_partial_page(int64_t positions) const;  // reserve()
  // The page in front of page `index`, in the words of publish().
  int32_t previous(size_t index) const { return index == 0 ? KvPool::kNoPage : pages_[index - 1]; }

  KvPool* pool_;
  std::vector<int> tokens_;
  std::vector<int32_t> pages_;
};

}  // namespace gptq::generate
