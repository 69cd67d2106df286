// gptq::ChatTemplate for Python. Messages, tools and variables go in as JSON text.
#include <gptq/chat.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "module.h"
#include "running_calls.h"

using gptq::ChatTemplate;

void add_chat(nb::module_& m) {
  const auto released = nb::call_guard<WithoutGil>();
  nb::class_<ChatTemplate>(m, "ChatTemplate")
      .def_static("open", &ChatTemplate::open, nb::arg("folder"), nb::arg("name") = "", released)
      .def_static("parse", &ChatTemplate::parse, nb::arg("source"), nb::arg("special_tokens"), released)
      .def(
          "render",
          [](const ChatTemplate& self, const std::string& messages, const std::string& tools,
             const std::string& variables, bool add_generation_prompt, bool continue_final_message, bool adapt) {
            gptq::RenderOptions options;
            options.add_generation_prompt = add_generation_prompt;
            options.continue_final_message = continue_final_message;
            options.tools = tools;
            options.variables = variables;
            options.adapt = adapt;
            return self.render_json(messages, options).text;
          },
          nb::arg("messages"), nb::arg("tools") = "", nb::arg("variables") = "",
          nb::arg("add_generation_prompt") = false, nb::arg("continue_final_message") = false, nb::arg("adapt") = false,
          released)
      .def("source", &ChatTemplate::source, nb::arg("with_tools") = false)
      .def("names", &ChatTemplate::names);
  m.def("chat_template_sources", &gptq::chat_template_sources, nb::arg("folder"), released);
}
