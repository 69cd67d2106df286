// gptq::Engine for Python: generation with callbacks, scores, logits, perplexity.
#include <gptq/engine.h>
#include <gptq/error.h>
#include <gptq/inspect.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/function.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <memory>
#include <optional>

#include "module.h"
#include "worker.h"

using gptq::Engine;
using gptq::Request;
using gptq::Result;
using gptq::Sampling;
using gptq::TokenId;

namespace {

// Copies to an array that Python owns.
template <typename Value>
nb::ndarray<nb::numpy, Value> to_array(const std::vector<Value>& values, std::initializer_list<size_t> shape) {
  auto* const copy = new std::vector<Value>(values);
  const nb::capsule owner(copy, [](void* p) noexcept { delete static_cast<std::vector<Value>*>(p); });
  return {copy->data(), shape, owner};
}

// An exception that a callback raised on the worker's thread, to be raised again where the call was made.
class Raised {
 public:
  // Runs a callback with the GIL. False when it returned False or raised.
  template <typename Call>
  bool run(const Call& call) {
    const nb::gil_scoped_acquire gil;
    try {
      const nb::object result = call();
      return !result.is(Py_False);
    } catch (nb::python_error& error) {
      error_.emplace(std::move(error));
      return false;
    }
  }
  void rethrow() {
    if (error_) throw nb::python_error(std::move(*error_));
  }

 private:
  std::optional<nb::python_error> error_;
};

class PyEngine {
 public:
  PyEngine(const std::string& folder, const std::string& device, int threads, int64_t max_gpu_memory,
           const std::string& head_dtype, const std::string& activations) {
    const gptq::ComputeOptions compute{device, threads, max_gpu_memory, head_dtype, activations};
    worker_.run([&](const std::stop_token&) { engine_ = std::make_unique<Engine>(Engine::open(folder, compute)); });
  }
  // At the end of the interpreter and in a child made by fork() the memory is left to the system.
  ~PyEngine() {
    try {
      worker_.run([this](const std::stop_token&) { engine_.reset(); });
    } catch (...) {  // Error, or SystemExit
      (void)engine_.release();
    }
  }

  std::vector<Result> generate(const std::vector<Request>& requests, const nb::object& on_token) {
    Raised raised;
    gptq::TokenSink sink;
    if (!on_token.is_none()) {
      sink = [&](const gptq::TokenEvent& event) {
        return raised.run([&] { return on_token(event.request, event.token, event.text); });
      };
    }
    std::vector<Result> results =
        worker_.run([&](const std::stop_token& stop) { return engine_->generate(requests, sink, stop); });
    raised.rethrow();
    return results;
  }

  nb::ndarray<nb::numpy, float> logits(const std::vector<TokenId>& tokens) {
    const std::vector<float> values = worker_.run([&](const std::stop_token&) { return engine_->logits(tokens); });
    return to_array(values, {tokens.size(), static_cast<size_t>(engine_->vocab_size())});
  }

  nb::tuple score(const std::vector<TokenId>& tokens, size_t first) {
    const auto scores = worker_.run([&](const std::stop_token&) { return engine_->score(tokens, first); });
    std::vector<double> log_probs;
    std::vector<int64_t> best;
    for (const gptq::TokenScore& score : scores) {
      log_probs.push_back(score.log_prob);
      best.push_back(score.most_likely);
    }
    return nb::make_tuple(to_array(log_probs, {scores.size()}), to_array(best, {scores.size()}));
  }

  gptq::PerplexityResult perplexity(const std::vector<TokenId>& tokens, int window, const nb::object& on_step) {
    Raised raised;
    const auto result = worker_.run([&](const std::stop_token& stop) -> std::optional<gptq::PerplexityResult> {
      try {
        return engine_->perplexity(tokens, window, [&](int64_t done, int64_t total) {
          if (stop.stop_requested()) return false;
          return on_step.is_none() || raised.run([&] { return on_step(done, total); });
        });
      } catch (const gptq::Error& error) {
        if (error.kind() != gptq::ErrorKind::kInterrupted) throw;
        return std::nullopt;
      }
    });
    raised.rethrow();
    if (!result) throw gptq::Error(gptq::ErrorKind::kGeneral, "measuring perplexity: stopped by the callback");
    return *result;
  }

  const Engine& engine() const {
    worker_.check_process();
    return *engine_;
  }

 private:
  std::unique_ptr<Engine> engine_;
  Worker worker_;
};

void add_requests(nb::module_& m) {
  nb::class_<Sampling>(m, "Sampling")
      .def(nb::init<>())
      .def_rw("temperature", &Sampling::temperature)
      .def_rw("top_k", &Sampling::top_k)
      .def_rw("top_p", &Sampling::top_p)
      .def_rw("min_p", &Sampling::min_p)
      .def_rw("repetition_penalty", &Sampling::repetition_penalty)
      .def_rw("seed", &Sampling::seed);
  nb::class_<Request>(m, "Request")
      .def(nb::init<>())
      .def_rw("tokens", &Request::tokens)
      .def_rw("max_new_tokens", &Request::max_new_tokens)
      .def_rw("sampling", &Request::sampling)
      .def_rw("stop", &Request::stop)
      .def_rw("ignore_eos", &Request::ignore_eos)
      .def_rw("stop_tokens", &Request::stop_tokens)
      .def_rw("keep_special_tokens", &Request::keep_special_tokens);
  nb::class_<Result>(m, "Result")
      .def_ro("text", &Result::text)
      .def_ro("tokens", &Result::tokens)
      .def_prop_ro("finish_reason", [](const Result& r) { return to_string(r.finish_reason); })
      .def_ro("prompt_tokens", &Result::prompt_tokens)
      .def_ro("cached_tokens", &Result::cached_tokens)
      .def_ro("new_tokens", &Result::new_tokens)
      .def_ro("seed", &Result::seed)
      .def_ro("prompt_seconds", &Result::prompt_seconds)
      .def_ro("decode_seconds", &Result::decode_seconds)
      .def_prop_ro("tokens_per_second", &Result::tokens_per_second);
  nb::class_<gptq::PerplexityResult>(m, "PerplexityResult")
      .def_ro("perplexity", &gptq::PerplexityResult::perplexity)
      .def_ro("tokens", &gptq::PerplexityResult::tokens)
      .def_ro("windows", &gptq::PerplexityResult::windows)
      .def_ro("seconds", &gptq::PerplexityResult::seconds);
}

}  // namespace

void add_engine(nb::module_& m) {
  add_requests(m);
  m.def("check_supported", &gptq::check_supported, nb::arg("config_json"), nb::arg("what"));
  m.def(
      "count_parameters", [](const std::string& folder) { return gptq::inspect(folder).parameters; },
      nb::arg("folder"));
  m.def(
      "device_name", [](const std::string& name) { return to_string(gptq::Device::parse(name)); }, nb::arg("name"));
  nb::class_<PyEngine>(m, "Engine")
      .def(nb::init<const std::string&, const std::string&, int, int64_t, const std::string&, const std::string&>(),
           nb::arg("folder"), nb::arg("device") = "auto", nb::arg("threads") = 0, nb::arg("max_gpu_memory") = 0,
           nb::arg("head_dtype") = "auto", nb::arg("activations") = "int16")
      .def("generate", &PyEngine::generate, nb::arg("requests"), nb::arg("on_token") = nb::none())
      .def("logits", &PyEngine::logits, nb::arg("tokens"))
      .def("score", &PyEngine::score, nb::arg("tokens"), nb::arg("first") = 1)
      .def("perplexity", &PyEngine::perplexity, nb::arg("tokens"), nb::arg("window"), nb::arg("on_step") = nb::none())
      .def(
          "encode_prompt",
          [](const PyEngine& e, const std::string& text) { return e.engine().tokenizer().encode_prompt(text); },
          nb::arg("text"))
      .def(
          "encode",
          [](const PyEngine& e, const std::string& text, bool add) { return e.engine().tokenizer().encode(text, add); },
          nb::arg("text"), nb::arg("add_special_tokens") = true)
      .def(
          "decode",
          [](const PyEngine& e, const std::vector<TokenId>& ids, bool skip) {
            return e.engine().tokenizer().decode(ids, skip);
          },
          nb::arg("ids"), nb::arg("skip_special_tokens") = true)
      .def_prop_ro("default_sampling", [](const PyEngine& e) { return e.engine().default_sampling(); })
      .def_prop_ro("default_max_new_tokens", [](const PyEngine& e) { return e.engine().default_max_new_tokens(); })
      .def_prop_ro("context_length", [](const PyEngine& e) { return e.engine().context_length(); })
      .def_prop_ro("vocab_size", [](const PyEngine& e) { return e.engine().vocab_size(); })
      .def_prop_ro("weight_bytes", [](const PyEngine& e) { return e.engine().weight_bytes(); });
}
