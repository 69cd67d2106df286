// A reader of the protobuf wire format, for the few fields of the model that are needed.
#include "tokenizer/formats/sentencepiece_model.h"

#include <bit>
#include <cmath>
#include <cstdint>

#include <gptq/error.h>

#include "unicode/characters.h"

namespace gptq::tokenizer {

namespace {

// One message: fields in any order, unknown ones are skipped (protobuf.dev/programming-guides/encoding).
class Wire {
 public:
  Wire(std::string_view bytes, const std::string& what) : bytes_(bytes), what_(what) {}

  // Reads the number and value of the next field; false at the end.
  bool next() {
    if (position_ == bytes_.size()) return false;
    const uint64_t tag = varint();
    if (tag >> 3 == 0 || tag >> 32 != 0) fail("the field number " + std::to_string(tag >> 3));
    field_ = static_cast<uint32_t>(tag >> 3);
    type_ = tag & 7;
    if (type_ == kVarint)
      number_ = varint();
    else if (type_ == kBytes)
      value_ = take(varint());
    else if (type_ == kFixed32 || type_ == kFixed64)
      value_ = take(type_ == kFixed32 ? 4 : 8);
    else
      fail("the wire type " + std::to_string(type_));
    return true;
  }

  uint32_t field() const { return field_; }
  std::string_view bytes() const { return expect(kBytes, "bytes"), value_; }
  int64_t integer() const { return expect(kVarint, "an integer"), static_cast<int64_t>(number_); }
  bool boolean() const { return integer() != 0; }
  float number() const {
    expect(kFixed32, "a 32-bit float");
    uint32_t bits = 0;
    for (size_t i = 0; i < 4; ++i) bits |= static_cast<uint32_t>(static_cast<unsigned char>(value_[i])) << (8 * i);
    return std::bit_cast<float>(bits);
  }
  Wire message() const { return Wire(bytes(), what_); }

  [[noreturn]] void fail(const std::string& found) const {
    throw Error(ErrorKind::kVerification, "reading " + what_ + " as a SentencePiece model: found " + found +
                                              "; the file is damaged or of another format: download it again");
  }

 private:
  static constexpr uint64_t kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5;

  void expect(uint64_t type, const char* name) const {
    if (type_ != type) fail("field " + std::to_string(field_) + " that is not " + name);
  }

  uint64_t varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (position_ == bytes_.size()) fail("an end inside a number");
      const auto byte = static_cast<unsigned char>(bytes_[position_++]);
      value |= static_cast<uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) return value;
    }
    fail("a number of more than ten bytes");
  }

  std::string_view take(uint64_t size) {
    if (size > bytes_.size() - position_) fail("a field that extends past its message");
    const std::string_view taken = bytes_.substr(position_, size);
    position_ += size;
    return taken;
  }

  std::string_view bytes_;
  const std::string& what_;
  size_t position_ = 0;
  uint32_t field_ = 0;
  uint64_t type_ = 0;
  uint64_t number_ = 0;
  std::string_view value_;
};

SentencePieceModel::Piece read_piece(Wire wire) {
  SentencePieceModel::Piece piece;
  while (wire.next()) {
    switch (wire.field()) {
      case 1: piece.text = wire.bytes(); break;
      case 2: piece.score = wire.number(); break;
      case 3:
        if (wire.integer() < 1 || wire.integer() > 6) wire.fail("the piece type " + std::to_string(wire.integer()));
        piece.type = static_cast<SentencePieceModel::PieceType>(wire.integer());
        break;
    }
  }
  if (piece.text.empty() || !is_valid_utf8(piece.text)) wire.fail("a piece that is not text");
  if (!std::isfinite(piece.score)) wire.fail("the piece \"" + piece.text + "\" with a score that is not a number");
  return piece;
}

void read_trainer(Wire wire, SentencePieceModel& model) {
  while (wire.next()) {
    switch (wire.field()) {
      case 3:
        if (wire.integer() < 1 || wire.integer() > 4) wire.fail("the model type " + std::to_string(wire.integer()));
        model.algorithm = static_cast<SentencePieceModel::Algorithm>(wire.integer());
        break;
      case 24: model.space_as_suffix = wire.boolean(); break;
      case 35: model.byte_fallback = wire.boolean(); break;
      case 40: model.unk_id = wire.integer(); break;
      case 41: model.bos_id = wire.integer(); break;
      case 42: model.eos_id = wire.integer(); break;
      case 43: model.pad_id = wire.integer(); break;
    }
  }
}

void read_normalizer(Wire wire, SentencePieceModel& model) {
  while (wire.next()) {
    switch (wire.field()) {
      case 2: model.charsmap = wire.bytes(); break;
      case 3: model.add_dummy_prefix = wire.boolean(); break;
      case 4: model.remove_extra_spaces = wire.boolean(); break;
      case 5: model.escape_spaces = wire.boolean(); break;
    }
  }
}

}  // namespace

SentencePieceModel parse_sentencepiece_model(std::string_view bytes, const std::string& what) {
  SentencePieceModel model;
  Wire wire(bytes, what);
  while (wire.next()) {
    switch (wire.field()) {
      case 1: model.pieces.push_back(read_piece(wire.message())); break;
      case 2: read_trainer(wire.message(), model); break;
      case 3: read_normalizer(wire.message(), model); break;
    }
  }
  if (model.pieces.empty()) wire.fail("no pieces");
  return model;
}

}  // namespace gptq::tokenizer
