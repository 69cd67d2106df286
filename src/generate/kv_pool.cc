// Accounting of pages, and the pages of sequences.
#include "generate/kv_pool.h"

#include <algorithm>
#include <numeric>

#include <gptq/error.h>

namespace gptq::generate {

using model::KvCache;

namespace {

uint64_t mix(uint64_t hash, uint64_t value) {  // SplitMix64's finalizer over both
  uint64_t x = hash + 0x9E3779B97F4A7C15ull + value;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
  return x ^ (x >> 31);
}

}  // namespace

KvPool::KvPool(const model::Model& model, backend::Backend& backend, int64_t pages)
    : model_(model), backend_(backend), cache_(model.make_cache(pages)), pages_(static_cast<size_t>(pages)) {
  free_.resize(static_cast<size_t>(pages));
  std::iota(free_.rbegin(), free_.rend(), 0);  // page 0 is the first to be allocated
}

void KvPool::grow(int64_t pages) {
  const int64_t before = this->pages();
  CHECK(pages >= before);
  KvCache larger = model_.make_cache(pages);
  larger.copy_pages(0, cache_, 0, before, backend_);
  cache_ = std::move(larger);
  pages_.resize(static_cast<size_t>(pages));
  std::vector<int32_t> added(static_cast<size_t>(pages - before));
  std::iota(added.rbegin(), added.rend(), static_cast<int32_t>(before));
  free_.insert(free_.begin(), added.begin(), added.end());
}

int32_t KvPool::allocate() {
  if (free_.empty() && !unused_.empty()) unpublish(unused_.front());
  if (free_.empty()) {
    throw Error(ErrorKind::kOutOfMemory, "caching keys and values: all " + std::to_string(pages()) + " pages of " +
                                             std::to_string(kPageSize) + " positions are in use");
  }
  const int32_t page = free_.back();
  free_.pop_back();
  at(page).references = 1;
  return page;
}

void KvPool::retain(int32_t page) {
  if (at(page).references++ == 0) unused_.erase(at(page).unused);
}

void KvPool::release(int32_t page) {
  CHECK(at(page).references > 0);
  if (--at(page).references > 0) return;
  if (at(page).hash == 0) {
    free_.push_back(page);
  } else {
    at(page).unused = unused_.insert(unused_.end(), page);
  }
}

uint64_t KvPool::prefix_hash(int32_t previous, std::span<const int> tokens) const {
  uint64_t hash = previous == kNoPage ? 1 : at(previous).hash;
  for (const int token : tokens) hash = mix(hash, static_cast<uint64_t>(token));
  return std::max<uint64_t>(hash, 1);
}

void KvPool::publish(int32_t page, int32_t previous, std::span<const int> tokens) {
  CHECK(static_cast<int64_t>(tokens.size()) == kPageSize);
  if (previous != kNoPage && at(previous).hash == 0) return;  // the page could not be found
  const uint64_t hash = prefix_hash(previous, tokens);
  if (at(page).hash == hash || !published_.emplace(hash, page).second) return;
  CHECK(at(page).hash == 0);
  at(page).hash = hash;
  at(page).previous_hash = previous == kNoPage ? 0 : at(previous).hash;
  at(page).tokens.assign(tokens.begin(), tokens.end());
}

void KvPool::unpublish(int32_t page) {
  Page& p = at(page);
  if (p.hash == 0) return;
  published_.erase(p.hash);
  p.hash = 0;
  p.tokens.clear();
  if (p.references > 0) return;
  unused_.erase(p.unused);
  free_.push_back(page);
}

int32_t KvPool::find(int32_t previous, std::span<const int> tokens) {
  if (previous != kNoPage && at(previous).hash == 0) return kNoPage;
  const auto found = published_.find(prefix_hash(previous, tokens));
  if (found == published_.end()) return kNoPage;
  const Page& p = at(found->second);  // tokens are compared: hashes may collide
  if (!std::equal(p.tokens.begin(), p.tokens.end(), tokens.begin(), tokens.end())) return kNoPage;
  if (p.previous_hash != (previous == kNoPage ? 0 : at(previous).hash)) return kNoPage;
  retain(found->second);
  return found->second;
}

void KvPool::copy_page(int32_t to, int32_t from) { cache_.copy_pages(to, cache_, from, 1, backend_); }

Sequence::Sequence(Sequence&& other) noexcept
    : pool_(other.pool_), tokens_(std::move(other.tokens_)), pages_(std::move(other.pages_)) {
  other.tokens_.clear();
  other.pages_.clear();
}

Sequence& Sequence::operator=(Sequence&& other) noexcept {
  std::swap(pool_, other.pool_);
  std::swap(tokens_, other.tokens_);
  std::swap(pages_, other.pages_);
  return *this;
}

Sequence::~Sequence() {
  // Last pages first: they are then reused first, and a prefix is found from its beginning.
  for (auto page = pages_.rbegin(); page != pages_.rend(); ++page) pool_->release(*page);
}

Sequence Sequence::fork() const {
  Sequence copy(*pool_);
  copy.tokens_ = tokens_;
  copy.pages_.assign(pages_.begin(), pages_.begin() + KvCache::pages_for(length()));
  for (const int32_t page : copy.pages_) pool_->retain(page);
  return copy;
}

// A page that will be written to must not be shared.
bool Sequence::copies_partial_page(int64_t positions) const {
  const size_t partial = static_cast<size_t>(length() / KvPool::kPageSize);
  return positions > length() && partial < pages_.size() && pool_->is_shared(pages_[partial]);
}

int64_t Sequence::missing_pages(int64_t positions) const {
  const int64_t added = KvCache::pages_for(positions) - static_cast<int64_t>(pages_.size());
  return std::max<int64_t>(added, 0) + (copies_partial_page(positions) ? 1 : 0);
}

void Sequence::reserve(int64_t positions) {
  const int64_t needed = missing_pages(positions);
  if (needed > pool_->free_pages()) {
    throw Error(ErrorKind::kOutOfMemory, "caching keys and values: " + std::to_string(needed) + " pages are needed, " +
                                             std::to_string(pool_->free_pages()) + " are free");
  }
  const size_t partial = static_cast<size_t>(length() / KvPool::kPageSize);
  if (copies_partial_page(positions)) {
    const int32_t own = pool_->allocate();
    if (length() % KvPool::kPageSize != 0) pool_->copy_page(own, pages_[partial]);
    pool_->release(pages_[partial]);
    pages_[partial] = own;
  } else if (positions > length() && partial < pages_.size()) {
    pool_->unpublish(pages_[partial]);  // it must not be found by its previous content
  }
  while (static_cast<int64_t>(pages_.size()) < KvCache::pages_for(positions)) pages_.push_back(pool_->allocate());
}

void Sequence::append(std::span<const int> tokens, bool share) {
  size_t page = static_cast<size_t>(length() / KvPool::kPageSize);
  tokens_.insert(tokens_.end(), tokens.begin(), tokens.end());
  CHECK(length() <= capacity());
  const size_t size = static_cast<size_t>(KvPool::kPageSize);
  for (; share && (page + 1) * size <= tokens_.size(); ++page) {
    pool_->publish(pages_[page], previous(page), std::span(tokens_).subspan(page * size, size));
  }
}

void Sequence::truncate(int64_t length) {
  CHECK(length >= 0 && length <= this->length());
  tokens_.resize(static_cast<size_t>(length));
  const size_t kept = static_cast<size_t>(KvCache::pages_for(length));
  while (pages_.size() > kept) {
    pool_->release(pages_.back());
    pages_.pop_back();
  }
}

void Sequence::discard() {
  for (const int32_t page : pages_) pool_->unpublish(page);
  truncate(0);
}

void Sequence::extend_from_published(std::span<const int> tokens, int64_t limit) {
  const int64_t size = KvPool::kPageSize;
  while (length() % size == 0 && length() + size <= limit && static_cast<int64_t>(pages_.size()) * size == length()) {
    const auto block = tokens.subspan(tokens_.size(), static_cast<size_t>(size));
    const int32_t page = pool_->find(previous(pages_.size()), block);
    if (page == KvPool::kNoPage) return;
    pages_.push_back(page);
    tokens_.insert(tokens_.end(), block.begin(), block.end());
  }
}

}  // namespace gptq::generate
