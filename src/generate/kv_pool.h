// Ownership of the pages of the key-value cache: free pages, reference counts, prefixes that sequences share.
#pragma once

#include <cstdint>
#include <list>
#include <span>
#include <unordered_map>
#include <vector>

#include "model/model.h"

namespace gptq::generate {

// Pages of one model's cache. A page belongs to all sequences that refer to it. A full page may be published with its
// tokens and the preceding page: another sequence that begins with the same tokens can find and share it. Published
// pages without references stay until their memory is needed; the least recently used are reused first. One object
// must not be used by two threads at the same time.
class KvPool {
 public:
  static constexpr int64_t kPageSize = model::KvCache::kPageSize;
  static constexpr int32_t kNoPage = -1;

  KvPool(const model::Model& model, backend::Backend& backend, int64_t pages);

  const model::KvCache& cache() const { return cache_; }
  int64_t pages() const { return cache_.pages(); }
  int64_t free_pages() const { return static_cast<int64_t>(free_.size() + unused_.size()); }

  // Adds pages; existing ones keep their numbers and contents. Objects that refer to cache()'s memory become invalid.
  void grow(int64_t pages);

  // A page owned by the caller. Throws Error(kOutOfMemory) if none is free.
  int32_t allocate();
  void retain(int32_t page);
  void release(int32_t page);
  bool is_shared(int32_t page) const { return at(page).references > 1; }

  // Publishes a page that holds these kPageSize tokens, following those of the published page `previous` (kNoPage: at
  // position 0). If the same tokens are already published in another page, this one stays private.
  void publish(int32_t page, int32_t previous, std::span<const int> tokens);
  void unpublish(int32_t page);
  // The published page with these tokens following those of `previous`, retained for the caller; kNoPage without one.
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

// The processed tokens of one sequence, and the pages that hold their keys and values. Owns references to its pages.
// The pool must outlive it.
class Sequence {
 public:
  explicit Sequence(KvPool& pool) : pool_(&pool) {}
  Sequence(Sequence&& other) noexcept;
  Sequence& operator=(Sequence&& other) noexcept;
  ~Sequence();

  // Another sequence with the same tokens. It shares the pages; a shared page is copied before it is written to.
  Sequence fork() const;

  const std::vector<int>& tokens() const { return tokens_; }
  int64_t length() const { return static_cast<int64_t>(tokens_.size()); }
  std::span<const int32_t> pages() const { return pages_; }
  int64_t capacity() const { return static_cast<int64_t>(pages_.size()) * KvPool::kPageSize; }

  int64_t missing_pages(int64_t positions) const;  // pages that reserve() would allocate
  // Allocates pages for `positions` positions; the pages of positions from length() on are not shared. Throws
  // Error(kOutOfMemory) if the pool has too few; the sequence is then unchanged.
  void reserve(int64_t positions);
  // Appends processed tokens; `share` publishes the pages that they fill.
  void append(std::span<const int> tokens, bool share = true);
  void truncate(int64_t length);  // removes the tokens after the first `length`
  void discard();                 // removes all tokens and unpublishes the pages: their contents are invalid
  // For a sequence of whole pages, a prefix of `tokens`: appends published pages that continue it as `tokens` does, up
  // to `limit` positions.
  void extend_from_published(std::span<const int> tokens, int64_t limit);

 private:
  bool copies_partial_page(int64_t positions) const;  // in reserve()
  // The page before page `index`, as an argument of publish().
  int32_t previous(size_t index) const { return index == 0 ? KvPool::kNoPage : pages_[index - 1]; }

  KvPool* pool_;
  std::vector<int> tokens_;
  std::vector<int32_t> pages_;
};

}  // namespace gptq::generate
