// What the files of the extension module share.
#pragma once

#include <nanobind/nanobind.h>

namespace nb = nanobind;

void add_errors(nb::module_& m);     // exceptions, messages, version
void add_tokenizer(nb::module_& m);  // Tokenizer, StreamingDecoder
void add_texts(nb::module_& m);      // EncodedTexts, encode_texts
void add_chat(nb::module_& m);       // ChatTemplate
void add_hub(nb::module_& m);        // downloads, uploads, logins
