// gptq::Error as the Python exception of its kind, and the library's notes and warnings as log records.
#include <gptq/error.h>
#include <gptq/gptq.h>
#include <nanobind/stl/string.h>

#include <filesystem>

#include "module.h"

namespace {

// The base class in Python of an error's kind.
PyObject* builtin_of(gptq::ErrorKind kind) {
  switch (kind) {
    case gptq::ErrorKind::kUsage: return PyExc_ValueError;
    case gptq::ErrorKind::kNotFound: return PyExc_FileNotFoundError;
    case gptq::ErrorKind::kPermission: return PyExc_PermissionError;
    case gptq::ErrorKind::kNetwork: return PyExc_ConnectionError;
    case gptq::ErrorKind::kVerification: return PyExc_OSError;
    case gptq::ErrorKind::kOutOfMemory: return PyExc_MemoryError;
    case gptq::ErrorKind::kNumerical: return PyExc_ArithmeticError;
    case gptq::ErrorKind::kInterrupted: return PyExc_KeyboardInterrupt;
    case gptq::ErrorKind::kGeneral: break;
  }
  return PyExc_RuntimeError;
}

// Messages name options as the program does; Python's arguments have the same names with underscores: "--max-gpu-memory"
// becomes "max_gpu_memory". Commands in backquotes stay.
std::string with_argument_names(const std::string& text) {
  std::string result;
  bool command = false;
  const auto is_name = [](char c) { return (c >= 'a' && c <= 'z') || c == '-'; };
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '`') command = !command;
    const bool option = !command && text.compare(i, 2, "--") == 0 && i + 2 < text.size() && is_name(text[i + 2]) &&
                        (i == 0 || text[i - 1] == ' ' || text[i - 1] == '(');
    if (!option) {
      result += text[i];
      continue;
    }
    for (i += 2; i < text.size() && is_name(text[i]); ++i) result += text[i] == '-' ? '_' : text[i];
    --i;
  }
  return result;
}

void translate(const std::exception_ptr& pointer, void* /*payload*/) {
  try {
    std::rethrow_exception(pointer);
  } catch (const gptq::Error& error) {
    PyErr_SetString(builtin_of(error.kind()), with_argument_names(error.what()).c_str());
  } catch (const std::filesystem::filesystem_error& error) {
    PyErr_SetString(PyExc_OSError, error.what());
  }
}

// Notes and warnings may come from any thread, with or without the GIL.
void log_message(bool warning, const std::string& text) {
  if (!nb::is_alive()) return;
  const nb::gil_scoped_acquire gil;
  try {
    nb::object logger = nb::module_::import_("logging").attr("getLogger")("gptq");
    logger.attr(warning ? "warning" : "info")("%s", with_argument_names(text));
  } catch (nb::python_error& error) {
    error.discard_as_unraisable("gptq: logging a message");
  }
}

}  // namespace

void add_errors(nb::module_& m) {
  nb::register_exception_translator(translate);
  gptq::on_message(log_message);
  m.def("version", &gptq::version);
}
