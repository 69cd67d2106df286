// The extension module gptq._core: one function per topic adds its classes.
#include "module.h"
#include "running_calls.h"

NB_MODULE(_core, m) {
  m.doc() = "The native part of gptq; use the names that the package gptq exports.";
  add_errors(m);
  add_tokenizer(m);
  add_texts(m);
  add_chat(m);
  add_hub(m);
  add_engine(m);
  add_quantize(m);
  nb::module_::import_("atexit").attr("register")(nb::cpp_function([] { RunningCalls::all().finish(); }));
  nb::set_leak_warnings(false);  // objects in use by daemon threads live until the process ends
}
