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

void translate(const std::exception_ptr& pointer, void* /*payload*/) {
  try {
    std::rethrow_exception(pointer);
  } catch (const gptq::Error& error) {
    PyErr_SetString(builtin_of(error.kind()), error.what());
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
    logger.attr(warning ? "warning" : "info")("%s", text);
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
