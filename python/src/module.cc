// The extension module gptq._core: one function per topic adds its classes.
#include "module.h"

NB_MODULE(_core, m) {
  m.doc() = "The native part of gptq; use the names that the package gptq exports.";
  add_errors(m);
  add_tokenizer(m);
  add_texts(m);
  add_chat(m);
  add_hub(m);
}
