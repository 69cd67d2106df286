// The large tables of a model, collected while tokenizer.json is parsed: vocabulary, merges, scored pieces.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/json_fwd.h"

namespace gptq::tokenizer {

// "vocab": {"token": id, ...}, in the order of the file, including duplicates.
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

// "merges": ["left right", ...] in old files, [["left", "right"], ...] in newer ones, which can also hold tokens with
// spaces. Both may be mixed.
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

  std::string text_;  // all tokens, concatenated
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
  int fields_ = -1;  // of the current pair; -1 between pairs
};

// The value of `digits` (JSON syntax) in the reference implementation, which rounds twice: up to two units in
// the last place from the nearest double. Ties between the scores of whole paths are common enough for this
// to change segmentations.
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
