// gptq::ChatTemplate for Python. Messages, tools and variables go in as JSON text.
#include <gptq/chat.h>
#include <nanobind/stl/string.h>

#include "module.h"

void add_chat(nb::module_& m) {
  nb::class_<gptq::ChatTemplate>(m, "ChatTemplate")
      .def_static("open", &gptq::ChatTemplate::open, nb::arg("folder"), nb::arg("name") = "",
                  nb::call_guard<nb::gil_scoped_release>());
}
