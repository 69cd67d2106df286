// The large tables of a model, taken from tokenizer.json while it is read: vocabulary, merges, scored pieces.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/json_fwd.h"

namespace gptq::tokenizer {

// "vocab": {"token": id, ...}, in the order of the file. Duplicate tokens are still in it.
class VocabTap : public JsonTap {
 public:
  const std::vector<std::pair<std::string, int64_t>>& entries() const { return entries_; }
  void add(std::string token, int64_t id) { entries_.emplace_back(std::move(token), id); }

  void key(std::string& name) override;
  void string(std::string& value) override;
  void integer(int64_t value) override;
  void real(const std::string& digits) override;
  void other(const char* kind) override;
  void open_array() override;
  void close_array() override {}

 private:
  std::vector<std::pair<std::string, int64_t>> entries_;
};

// "merges": ["left right", ...] in old files, [["left", "right"], ...] in newer ones, which alone can hold tokens
// with spaces. Both may be mixed.
class MergesTap : public JsonTap {
 public:
  size_t size() const { return middles_.size(); }
  std::string_view left(size_t index) const { return text(begin(index), middles_[index]); }
  std::string_view right(size_t index) const { return text(middles_[index], ends_[index]); }
  void add(std::string_view left, std::string_view right);

  void key(std::string& name) override;
  void string(std::string& value) override;
  void integer(int64_t value) override;
  void real(const std::string& digits) override;
  void other(const char* kind) override;
  void open_array() override;
  void close_array() override;

 private:
  size_t begin(size_t index) const { return index == 0 ? 0 : ends_[index - 1]; }
  std::string_view text(size_t from, size_t to) const { return std::string_view(text_).substr(from, to - from); }

  std::string text_;  // all tokens behind each other
  std::vector<size_t> middles_;
  std::vector<size_t> ends_;
  bool in_pair_ = false;
  std::vector<std::string> pair_;
};

// "vocab" of Unigram: [["piece", score], ...], ids in the order of the file. A piece may appear twice.
class PiecesTap : public JsonTap {
 public:
  struct Piece {
    std::string text;
    double score = 0;
  };
  const std::vector<Piece>& entries() const { return entries_; }
  void add(std::string text, double score) { entries_.push_back({std::move(text), score}); }

  void key(std::string& name) override;
  void string(std::string& value) override;
  void integer(int64_t value) override;
  void real(const std::string& digits) override;
  void other(const char* kind) override;
  void open_array() override;
  void close_array() override;

 private:
  void score(double value);

  std::vector<Piece> entries_;
  int fields_ = -1;  // of the pair that is open; -1 between pairs
};

// The value that `digits` (JSON syntax) have in the reference, which rounds twice: up to two units in the last place
// beside the nearest double. Scores of whole paths tie often enough that this decides between segmentations.
double reference_score(std::string_view digits);

struct ModelTables {
  VocabTap vocab;
  MergesTap merges;
  PiecesTap pieces;

  std::vector<JsonTapPoint> taps() {
    return {{"model", "vocab", false, &vocab}, {"model", "vocab", true, &pieces}, {"model", "merges", true, &merges}};
  }
};

}  // namespace gptq::tokenizer
