// gptq::Tokenizer for Python. Ids go out as lists of int.
#include <gptq/tokenizer.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/vector.h>

#include "module.h"

using gptq::TokenId;
using gptq::Tokenizer;

void add_tokenizer(nb::module_& m) {
  const auto released = nb::call_guard<nb::gil_scoped_release>();
  nb::class_<Tokenizer>(m, "Tokenizer")
      .def_static("open", &Tokenizer::open, nb::arg("folder"), released)
      .def(
          "encode", [](const Tokenizer& t, std::string_view text, bool add) { return t.encode(text, add); },
          nb::arg("text"), nb::arg("add_special_tokens") = true, released)
      .def("encode_prompt", &Tokenizer::encode_prompt, nb::arg("text"), released)
      .def("decode", &Tokenizer::decode, nb::arg("ids"), nb::arg("skip_special_tokens") = true,
           nb::arg("clean_up_spaces") = false, released)
      .def_prop_ro("vocab_size", &Tokenizer::vocab_size)
      .def("token", &Tokenizer::token, nb::arg("id"))
      .def("id_of", &Tokenizer::id_of, nb::arg("token"))
      .def("is_special", &Tokenizer::is_special, nb::arg("id"))
      .def_prop_ro("bos_id", &Tokenizer::bos_id)
      .def_prop_ro("eos_id", &Tokenizer::eos_id);
}
