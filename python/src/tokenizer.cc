// gptq::Tokenizer for Python. Ids go out as lists of int, tokens as str.
#include <gptq/batch_encoding.h>
#include <gptq/error.h>
#include <gptq/tokenizer.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/vector.h>

#include "module.h"
#include "running_calls.h"

using gptq::AddedToken;
using gptq::StreamingDecoder;
using gptq::TokenId;
using gptq::Tokenizer;

namespace {

// The spelling of an id, or None.
nb::object token_or_none(const Tokenizer& tokenizer, TokenId id) {
  const std::string token = tokenizer.token(id);
  if (token.empty() && tokenizer.id_of("") != id) return nb::none();
  return nb::str(token.data(), token.size());
}

nb::list tokens_of(const Tokenizer& tokenizer, const std::vector<TokenId>& ids) {
  nb::list tokens;
  for (const TokenId id : ids) tokens.append(token_or_none(tokenizer, id));
  return tokens;
}

std::vector<TokenId> ids_of(const Tokenizer& tokenizer, const std::vector<std::string_view>& tokens) {
  std::vector<TokenId> ids;
  for (const std::string_view token : tokens) ids.push_back(tokenizer.id_of(token));
  return ids;
}

// Labels often have -100 where there is no token: decoding them is a mistake that would go unnoticed.
void check_not_negative(const std::vector<TokenId>& ids) {
  for (const TokenId id : ids) {
    if (id >= 0) continue;
    throw gptq::Error(gptq::ErrorKind::kUsage,
                      "decoding token ids: found " + std::to_string(id) + ", expected ids that are not negative");
  }
}

std::string decode(const Tokenizer& tokenizer, const std::vector<TokenId>& ids, bool skip, bool clean_up) {
  check_not_negative(ids);
  return tokenizer.decode(ids, skip, clean_up);
}

std::vector<std::string> decode_many(const Tokenizer& tokenizer, const std::vector<std::vector<TokenId>>& lists,
                                     bool skip, bool clean_up) {
  for (const std::vector<TokenId>& ids : lists) check_not_negative(ids);
  return gptq::decode_texts(tokenizer, lists, skip, clean_up);
}

nb::dict vocabulary(const Tokenizer& tokenizer) {
  nb::dict all;
  for (const auto& [token, id] : tokenizer.vocabulary()) all[nb::str(token.data(), token.size())] = nb::int_(id);
  return all;
}

void add_added_token(nb::module_& m) {
  nb::class_<AddedToken>(m, "AddedToken")
      .def(
          "__init__",
          [](AddedToken* self, std::string content, bool single_word, bool lstrip, bool rstrip, bool normalized,
             bool special) {
            new (self) AddedToken{-1, std::move(content), single_word, lstrip, rstrip, normalized, special};
          },
          nb::arg("content"), nb::arg("single_word") = false, nb::arg("lstrip") = false, nb::arg("rstrip") = false,
          nb::arg("normalized") = true, nb::arg("special") = false)
      .def_ro("id", &AddedToken::id)
      .def_ro("content", &AddedToken::content)
      .def_ro("single_word", &AddedToken::single_word)
      .def_ro("lstrip", &AddedToken::lstrip)
      .def_ro("rstrip", &AddedToken::rstrip)
      .def_ro("normalized", &AddedToken::normalized)
      .def_ro("special", &AddedToken::special);
}

void add_streaming_decoder(nb::module_& m) {
  nb::class_<StreamingDecoder>(m, "StreamingDecoder")
      .def(nb::init<const Tokenizer&, bool>(), nb::arg("tokenizer"), nb::arg("skip_special_tokens") = true,
           nb::keep_alive<1, 2>())
      .def("follow", &StreamingDecoder::follow, nb::arg("ids"))
      .def("push", &StreamingDecoder::push, nb::arg("id"))
      .def("finish", &StreamingDecoder::finish);
}

}  // namespace

void add_tokenizer(nb::module_& m) {
  const auto released = nb::call_guard<WithoutGil>();
  add_added_token(m);
  nb::class_<Tokenizer>(m, "Tokenizer")
      .def_static("open", &Tokenizer::open, nb::arg("folder"), nb::arg("more_tokens") = std::vector<AddedToken>(),
                  released)
      .def(
          "encode", [](const Tokenizer& t, std::string_view text, bool add) { return t.encode(text, add); },
          nb::arg("text"), nb::arg("add_special_tokens") = true, released)
      .def("encode_prompt", &Tokenizer::encode_prompt, nb::arg("text"), released)
      .def("decode", decode, nb::arg("ids"), nb::arg("skip_special_tokens") = true, nb::arg("clean_up_spaces") = false,
           released)
      .def("decode_many", decode_many, nb::arg("lists"), nb::arg("skip_special_tokens") = true,
           nb::arg("clean_up_spaces") = false, released)
      .def("join", &Tokenizer::join, nb::arg("tokens"), released)
      .def("tokens", tokens_of, nb::arg("ids"))
      .def("ids", ids_of, nb::arg("tokens"))
      .def("token", token_or_none, nb::arg("id"))
      .def("id_of", &Tokenizer::id_of, nb::arg("token"))
      .def("is_special", &Tokenizer::is_special, nb::arg("id"))
      .def("vocabulary", vocabulary)
      .def("added_tokens", &Tokenizer::added_tokens)
      .def("named_tokens", &Tokenizer::named_tokens)
      .def("special_tokens_added", &gptq::special_tokens_added, nb::arg("pair") = false)
      .def_prop_ro("vocab_size", &Tokenizer::vocab_size)
      .def_prop_ro("model_size", &Tokenizer::model_size)
      .def_prop_ro("model_type", &Tokenizer::model_type)
      .def_prop_ro("bos_id", &Tokenizer::bos_id)
      .def_prop_ro("eos_id", &Tokenizer::eos_id);
  add_streaming_decoder(m);
}
