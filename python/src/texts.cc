// gptq::encode_texts for Python: EncodedTexts holds the tokens of a batch, pads them, and converts them to lists or
// arrays on demand.
#include <gptq/batch_encoding.h>
#include <gptq/error.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>

#include <algorithm>
#include <memory>

#include "module.h"
#include "running_calls.h"

using gptq::EncodedText;
using gptq::EncodeOptions;
using gptq::TokenId;
using gptq::Tokenizer;

namespace {

// What a column of a batch contains: one number for each token.
enum class Column { kIds, kAttention, kTypeIds, kSpecial };

class EncodedTexts {
 public:
  EncodedTexts(std::vector<EncodedText> rows, nb::object tokenizer)
      : rows_(std::move(rows)), tokenizer_(std::move(tokenizer)) {}

  // Pads every row to `width` tokens, or without it to the longest first window of an input; the width is rounded up
  // to a multiple. Longer rows stay as they are.
  void pad(std::optional<size_t> width, size_t multiple, bool left, TokenId id, int type_id) {
    size_t target = width.value_or(0);
    for (size_t i = 0; !width && i < rows_.size(); ++i) {
      if (i == 0 || rows_[i].input != rows_[i - 1].input) target = std::max(target, rows_[i].ids.size());
    }
    if (multiple > 0) target = (target + multiple - 1) / multiple * multiple;
    width_ = target;
    left_ = left;
    pad_id_ = id;
    pad_type_ = type_id;
  }

  size_t size() const { return rows_.size(); }
  const EncodedText& row(size_t i) const {
    if (i >= rows_.size()) throw nb::index_error("the batch has fewer rows");
    return rows_[i];
  }
  size_t length(size_t i) const { return std::max(row(i).ids.size(), width_); }

  // Calls put(position, value) for the tokens of a row, its padding included.
  template <typename Put>
  void each(size_t i, Column column, const Put& put) const {
    const EncodedText& text = rows_[i];
    const size_t count = text.ids.size(), padding = length(i) - count;
    const int pad_value = column == Column::kIds       ? pad_id_
                          : column == Column::kTypeIds ? pad_type_
                          : column == Column::kSpecial ? 1
                                                       : 0;
    size_t at = 0;
    for (; left_ && at < padding; ++at) put(at, pad_value);
    if (column == Column::kIds) {
      for (const TokenId id : text.ids) put(at++, id);
    } else if (column == Column::kAttention) {
      for (size_t k = 0; k < count; ++k) put(at++, 1);
    } else {
      for (const EncodedText::Run& run : text.runs) {
        const int value = column == Column::kTypeIds ? run.type_id : run.sequence < 0 ? 1 : 0;
        for (size_t k = 0; k < run.size; ++k) put(at++, value);
      }
    }
    for (; at < count + padding; ++at) put(at, pad_value);
  }

  nb::list list(size_t i, Column column) const {
    nb::object result = nb::steal(PyList_New(static_cast<Py_ssize_t>(length(i))));
    if (!result.is_valid()) throw nb::python_error();
    each(i, column, [&](size_t at, int value) {
      PyList_SetItem(result.ptr(), static_cast<Py_ssize_t>(at), PyLong_FromLong(value));  // takes the reference
    });
    return nb::borrow<nb::list>(result);
  }

  nb::list lists(Column column) const {
    nb::list all;
    for (size_t i = 0; i < size(); ++i) all.append(list(i, column));
    return all;
  }

  bool rectangular() const {
    for (size_t i = 1; i < size(); ++i) {
      if (length(i) != length(0)) return false;
    }
    return true;
  }

  using Matrix = nb::ndarray<nb::numpy, int64_t, nb::ndim<2>>;
  // [rows, tokens]; the rows must be of one length.
  Matrix matrix(Column column) const {
    if (!rectangular()) throw nb::value_error("the rows have different lengths");
    const size_t width = size() > 0 ? length(0) : 0;
    auto values = std::make_unique<int64_t[]>(std::max<size_t>(size() * width, 1));
    for (size_t i = 0; i < size(); ++i) {
      int64_t* row = values.get() + i * width;
      each(i, column, [&](size_t at, int value) { row[at] = value; });
    }
    int64_t* data = values.get();
    nb::capsule owner(values.release(), [](void* p) noexcept { delete[] static_cast<int64_t*>(p); });
    return Matrix(data, {size(), width}, owner);
  }

  nb::list lengths() const {
    nb::list all;
    for (size_t i = 0; i < size(); ++i) all.append(length(i));
    return all;
  }

  nb::list inputs() const {
    nb::list all;
    for (const EncodedText& row : rows_) all.append(row.input);
    return all;
  }

  // With options.places only: one (begin, end) for each token.
  nb::list offsets(size_t i) const {
    return padded(i, nb::make_tuple(0, 0), [&](const EncodedText& text, size_t k) -> nb::object {
      return nb::make_tuple(text.offsets[k].first, text.offsets[k].second);
    });
  }

  nb::list words(size_t i) const {
    return padded(i, nb::none(), [&](const EncodedText& text, size_t k) -> nb::object {
      if (text.words[k] < 0) return nb::none();
      return nb::int_(text.words[k]);
    });
  }

  nb::list sequences(size_t i) const {
    std::vector<int> of;
    for (const EncodedText::Run& run : row(i).runs) of.insert(of.end(), run.size, run.sequence);
    return padded(i, nb::none(), [&](const EncodedText&, size_t k) -> nb::object {
      if (of[k] < 0) return nb::none();
      return nb::int_(of[k]);
    });
  }

  nb::list tokens(size_t i, const std::string& pad_token) const {
    const auto& tokenizer = nb::cast<const Tokenizer&>(tokenizer_);
    return padded(i, nb::str(pad_token.data(), pad_token.size()), [&](const EncodedText& text, size_t k) -> nb::object {
      const auto other = text.spellings.find(k);
      const std::string token = other != text.spellings.end() ? other->second : tokenizer.token(text.ids[k]);
      return nb::str(token.data(), token.size());
    });
  }

 private:
  template <typename Value>
  nb::list padded(size_t i, const nb::object& padding, const Value& value) const {
    const EncodedText& text = row(i);
    const size_t missing = length(i) - text.ids.size();
    nb::list all;
    for (size_t k = 0; left_ && k < missing; ++k) all.append(padding);
    for (size_t k = 0; k < text.ids.size(); ++k) all.append(value(text, k));
    for (size_t k = 0; !left_ && k < missing; ++k) all.append(padding);
    return all;
  }

  std::vector<EncodedText> rows_;
  nb::object tokenizer_;
  size_t width_ = 0;
  bool left_ = false;
  TokenId pad_id_ = 0;
  int pad_type_ = 0;
};

// The UTF-8 of a str, which lives as long as the str.
std::string_view utf8_of(nb::handle text) {
  Py_ssize_t size = 0;
  if (!PyUnicode_Check(text.ptr())) throw nb::type_error("every text must be a str");
  const char* data = PyUnicode_AsUTF8AndSize(text.ptr(), &size);
  if (data == nullptr) throw nb::python_error();
  return {data, static_cast<size_t>(size)};
}

gptq::Truncation truncation_of(const std::string& name) {
  if (name == "longest_first") return gptq::Truncation::kLongestFirst;
  if (name == "only_first") return gptq::Truncation::kOnlyFirst;
  if (name == "only_second") return gptq::Truncation::kOnlySecond;
  if (name == "do_not_truncate") return gptq::Truncation::kNone;
  throw gptq::Error(gptq::ErrorKind::kUsage, "truncation: found \"" + name +
                                                 "\", expected longest_first, only_first, only_second or "
                                                 "do_not_truncate");
}

EncodedTexts encode(const nb::object& tokenizer, const nb::list& texts, const std::optional<nb::list>& pairs,
                    const EncodeOptions& options) {
  std::vector<nb::object> kept;  // the strings, should another thread change the lists
  std::vector<gptq::TextPair> inputs;
  for (size_t i = 0; i < texts.size(); ++i) {
    kept.push_back(texts[i]);
    inputs.push_back({utf8_of(kept.back())});
    if (!pairs) continue;
    kept.push_back((*pairs)[i]);
    inputs.back().pair = utf8_of(kept.back());
  }
  const auto& native = nb::cast<const Tokenizer&>(tokenizer);
  std::vector<EncodedText> rows;
  {
    const WithoutGil released;
    rows = gptq::encode_texts(native, inputs, options);
  }
  return {std::move(rows), tokenizer};
}

}  // namespace

void add_texts(nb::module_& m) {
  nb::enum_<Column>(m, "Column")
      .value("IDS", Column::kIds)
      .value("ATTENTION", Column::kAttention)
      .value("TYPE_IDS", Column::kTypeIds)
      .value("SPECIAL", Column::kSpecial);
  nb::class_<EncodedTexts>(m, "EncodedTexts")
      .def("__len__", &EncodedTexts::size)
      .def("pad", &EncodedTexts::pad, nb::arg("width").none(), nb::arg("multiple"), nb::arg("left"), nb::arg("id"),
           nb::arg("type_id"))
      .def(
          "row", [](const EncodedTexts& t, size_t i, Column c) { return (void)t.row(i), t.list(i, c); }, nb::arg("row"),
          nb::arg("column"))
      .def("lists", &EncodedTexts::lists, nb::arg("column"))
      .def("matrix", &EncodedTexts::matrix, nb::arg("column"))
      .def_prop_ro("rectangular", &EncodedTexts::rectangular)
      .def("lengths", &EncodedTexts::lengths)
      .def("inputs", &EncodedTexts::inputs)
      .def("offsets", &EncodedTexts::offsets, nb::arg("row"))
      .def("words", &EncodedTexts::words, nb::arg("row"))
      .def("sequences", &EncodedTexts::sequences, nb::arg("row"))
      .def("tokens", &EncodedTexts::tokens, nb::arg("row"), nb::arg("pad_token"));
  m.def(
      "encode_texts",
      [](const nb::object& tokenizer, const nb::list& texts, const std::optional<nb::list>& pairs, bool special,
         bool plain, bool places, const std::string& truncation, size_t max_length, size_t stride, bool left,
         bool all_windows) {
        EncodeOptions options;
        options.add_special_tokens = special;
        options.plain_control_tokens = plain;
        options.places = places;
        options.truncation = truncation_of(truncation);
        options.max_length = max_length;
        options.stride = stride;
        options.truncate_left = left;
        options.all_windows = all_windows;
        return encode(tokenizer, texts, pairs, options);
      },
      nb::arg("tokenizer"), nb::arg("texts"), nb::arg("pairs").none() = nb::none(),
      nb::arg("add_special_tokens") = true, nb::arg("plain_control_tokens") = false, nb::arg("places") = false,
      nb::arg("truncation") = "do_not_truncate", nb::arg("max_length") = 0, nb::arg("stride") = 0,
      nb::arg("truncate_left") = false, nb::arg("all_windows") = false);
}
