// A SentencePiece model file (tokenizer.model) as a struct: pieces, and the settings that encoding needs.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gptq::tokenizer {

// Field numbers and defaults: sentencepiece_model.proto (ModelProto, TrainerSpec, NormalizerSpec).
struct SentencePieceModel {
  enum class Algorithm { kUnigram = 1, kBpe = 2, kWord = 3, kChar = 4 };
  enum class PieceType { kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6 };

  struct Piece {
    std::string text;  // valid UTF-8, not empty
    float score = 0;   // finite
    PieceType type = PieceType::kNormal;
  };

  std::vector<Piece> pieces;  // by id

  Algorithm algorithm = Algorithm::kUnigram;
  bool byte_fallback = false;
  bool space_as_suffix = false;
  int64_t unk_id = 0, bos_id = 1, eos_id = 2, pad_id = -1;

  std::string charsmap;  // compiled map of characters for normalization, "" when there is none
  bool add_dummy_prefix = true;
  bool remove_extra_spaces = true;
  bool escape_spaces = true;

  // The text of a piece; "" for an unknown id.
  std::string text_of(int64_t id) const {
    return id < 0 || id >= static_cast<int64_t>(pieces.size()) ? "" : pieces[static_cast<size_t>(id)].text;
  }
};

// Throws Error(kVerification) naming `what` unless the bytes are such a model.
SentencePieceModel parse_sentencepiece_model(std::string_view bytes, const std::string& what);

}  // namespace gptq::tokenizer
