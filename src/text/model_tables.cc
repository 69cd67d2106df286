// Reading the vocabulary and the merges event by event, with errors that name the entry.
#include "text/model_tables.h"

#include <gptq/error.h>

namespace gptq {

namespace {

[[noreturn]] void refuse(const std::string& table, size_t entry, const std::string& found,
                         const std::string& expected) {
  throw Error(ErrorKind::kVerification,
              table + ", entry " + std::to_string(entry) + ": found " + found + ", expected " + expected);
}

constexpr const char* kMergeForm = "\"left right\" or [\"left\", \"right\"]";

}  // namespace

void VocabTap::key(std::string& name) { entries_.emplace_back(std::move(name), -1); }
void VocabTap::integer(int64_t value) { entries_.back().second = value; }
void VocabTap::string(std::string&) { other("a string"); }
void VocabTap::open_array() { other("a list"); }
void VocabTap::other(const char* kind) { refuse("model.vocab", entries_.size(), kind, "a token id"); }

void MergesTap::key(std::string&) { other("an object"); }
void MergesTap::integer(int64_t) { other("a number"); }
void MergesTap::other(const char* kind) { refuse("model.merges", size(), kind, kMergeForm); }

void MergesTap::open_array() {
  if (in_pair_) other("a list inside a pair");
  in_pair_ = true;
  pair_.clear();
}

void MergesTap::close_array() {
  if (pair_.size() != 2) other("a list that is not a pair");
  add(pair_[0], pair_[1]);
  in_pair_ = false;
}

void MergesTap::string(std::string& value) {
  if (in_pair_) {
    if (pair_.size() == 2) other("a list of three");
    pair_.push_back(std::move(value));
    return;
  }
  if (value.starts_with("#version")) return;  // the first line of an old merges file
  const size_t space = value.find(' ');
  if (space == std::string::npos || value.find(' ', space + 1) != std::string::npos) {
    refuse("model.merges", size(), "\"" + value + "\"", "two tokens with one space between them");
  }
  add(std::string_view(value).substr(0, space), std::string_view(value).substr(space + 1));
}

void MergesTap::add(std::string_view left, std::string_view right) {
  text_.append(left);
  middles_.push_back(text_.size());
  text_.append(right);
  ends_.push_back(text_.size());
}

}  // namespace gptq
