// Quantization for Python: options, rows of calibration text, progress, and the model that has no folder yet.
#include <gptq/error.h>
#include <gptq/quantize.h>
#include <gptq/tokenizer.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <memory>
#include <optional>

#include "module.h"
#include "worker.h"

using gptq::CorpusRow;
using gptq::GridOptions;
using gptq::ModuleReport;
using gptq::ModuleRule;
using gptq::QuantizedModel;
using gptq::QuantizeOptions;
using gptq::QuantizeReport;

namespace {

// The sink that calls on_progress(phase, fraction, module or None). An exception there stops the work and is kept.
class Progress {
 public:
  explicit Progress(nb::object callback) : callback_(std::move(callback)) {}

  gptq::QuantizeSink sink(std::stop_source& stop) {
    if (callback_.is_none()) return {};
    return [this, &stop](const gptq::QuantizeProgress& p) {
      const nb::gil_scoped_acquire gil;
      if (error_) return;
      try {
        const nb::object module = p.module == nullptr ? nb::none() : nb::cast(*p.module);
        callback_(p.phase, p.fraction, module);
      } catch (nb::python_error& error) {
        error_.emplace(std::move(error));
        stop.request_stop();
      }
    };
  }
  void rethrow() {
    if (error_) throw nb::python_error(std::move(*error_));
  }

 private:
  nb::object callback_;
  std::optional<nb::python_error> error_;
};

// Runs work(sink, stop) so that Ctrl-C and exceptions of the callback stop it.
template <typename Work>
auto run_job(const nb::object& on_progress, const Work& work) {
  Worker worker;
  Progress progress(on_progress);
  try {
    return worker.run([&](const std::stop_token& interrupt) {
      std::stop_source stop;
      const std::stop_callback forward(interrupt, [&stop] { stop.request_stop(); });
      return work(progress.sink(stop), stop.get_token());
    });
  } catch (const gptq::Error&) {
    progress.rethrow();  // the reason for the interruption
    throw;
  }
}

void add_options(nb::module_& m) {
  nb::class_<GridOptions>(m, "GridOptions")
      .def_rw("bits", &GridOptions::bits)
      .def_rw("group_size", &GridOptions::group_size)
      .def_rw("sym", &GridOptions::sym)
      .def_rw("desc_act", &GridOptions::desc_act)
      .def_rw("group_aware", &GridOptions::group_aware)
      .def_rw("static_groups", &GridOptions::static_groups)
      .def_rw("clip", &GridOptions::clip);
  nb::class_<ModuleRule>(m, "ModuleRule")
      .def(nb::init<>())
      .def_static("parse", &ModuleRule::parse, nb::arg("text"))
      .def_rw("pattern", &ModuleRule::pattern)
      .def_rw("skip", &ModuleRule::skip)
      .def_rw("bits", &ModuleRule::bits)
      .def_rw("group_size", &ModuleRule::group_size)
      .def_rw("sym", &ModuleRule::sym)
      .def_rw("desc_act", &ModuleRule::desc_act);
  nb::class_<CorpusRow>(m, "CorpusRow")
      .def_static("of_text",
                  [](std::string text) {
                    return CorpusRow{CorpusRow::Kind::kText, std::move(text), {}};
                  })
      .def_static("of_json",
                  [](std::string text) {
                    return CorpusRow{CorpusRow::Kind::kJson, std::move(text), {}};
                  })
      .def_static("of_tokens", [](std::vector<gptq::TokenId> tokens) {
        return CorpusRow{CorpusRow::Kind::kTokens, "", std::move(tokens)};
      });
  nb::class_<QuantizeOptions>(m, "QuantizeOptions")
      .def(nb::init<>())
      .def_rw("model", &QuantizeOptions::model)
      .def_rw("output", &QuantizeOptions::output)
      .def_rw("grid", &QuantizeOptions::grid)
      .def_rw("rules", &QuantizeOptions::rules)
      .def_rw("damp", &QuantizeOptions::damp)
      .def_rw("gptaq", &QuantizeOptions::gptaq)
      .def_rw("true_sequential", &QuantizeOptions::true_sequential)
      .def_rw("calibration", &QuantizeOptions::calibration)
      .def_rw("calibration_rows", &QuantizeOptions::calibration_rows)
      .def_rw("samples", &QuantizeOptions::samples)
      .def_rw("seqlen", &QuantizeOptions::seqlen)
      .def_rw("seed", &QuantizeOptions::seed)
      .def_rw("format", &QuantizeOptions::format)
      .def_rw("max_shard_bytes", &QuantizeOptions::max_shard_bytes)
      .def_rw("resume", &QuantizeOptions::resume)
      .def_rw("force", &QuantizeOptions::force)
      .def_prop_rw(
          "device", [](const QuantizeOptions& o) { return o.compute.device; },
          [](QuantizeOptions& o, std::string device) { o.compute.device = std::move(device); })
      .def_prop_rw(
          "threads", [](const QuantizeOptions& o) { return o.compute.threads; },
          [](QuantizeOptions& o, int threads) { o.compute.threads = threads; })
      .def_prop_rw(
          "max_gpu_memory", [](const QuantizeOptions& o) { return o.compute.max_gpu_memory; },
          [](QuantizeOptions& o, int64_t bytes) { o.compute.max_gpu_memory = bytes; });
}

// The number of tokens of each row. The model's tokenizer is opened when a row is text.
std::vector<size_t> row_lengths(const std::vector<CorpusRow>& rows, const std::string& model) {
  std::optional<gptq::Tokenizer> tokenizer;
  std::vector<size_t> lengths;
  for (const CorpusRow& row : rows) {
    if (row.kind == CorpusRow::Kind::kTokens) {
      lengths.push_back(row.tokens.size());
      continue;
    }
    if (!tokenizer) tokenizer.emplace(gptq::Tokenizer::open(model));
    lengths.push_back(gptq::tokenize_rows({row}, model, *tokenizer).tokens.size());
  }
  return lengths;
}

void add_reports(nb::module_& m) {
  nb::class_<ModuleReport>(m, "ModuleReport")
      .def_ro("name", &ModuleReport::name)
      .def_ro("bits", &ModuleReport::bits)
      .def_ro("group_size", &ModuleReport::group_size)
      .def_ro("error", &ModuleReport::error)
      .def_ro("damp", &ModuleReport::damp)
      .def_ro("method", &ModuleReport::method)
      .def_ro("seconds", &ModuleReport::seconds);
  nb::class_<QuantizeReport>(m, "QuantizeReport")
      .def_ro("output", &QuantizeReport::output)
      .def_ro("seconds", &QuantizeReport::seconds)
      .def_ro("peak_bytes", &QuantizeReport::peak_bytes)
      .def_ro("gpu_peak_bytes", &QuantizeReport::gpu_peak_bytes)
      .def_ro("bytes_in", &QuantizeReport::bytes_in)
      .def_ro("bytes_out", &QuantizeReport::bytes_out)
      .def_ro("resumed_layers", &QuantizeReport::resumed_layers)
      .def_ro("errors_meaningful", &QuantizeReport::errors_meaningful)
      .def_ro("modules", &QuantizeReport::modules)
      .def_ro("notes", &QuantizeReport::notes);
}

}  // namespace

void add_quantize(nb::module_& m) {
  add_options(m);
  add_reports(m);
  m.def(
      "quantize",
      [](const QuantizeOptions& options, const nb::object& on_progress) {
        return run_job(on_progress, [&](const gptq::QuantizeSink& sink, const std::stop_token& stop) {
          return gptq::quantize(options, sink, stop);
        });
      },
      nb::arg("options"), nb::arg("on_progress") = nb::none());
  m.def("row_lengths", &row_lengths, nb::arg("rows"), nb::arg("model"), nb::call_guard<WithoutGil>());
  m.def("copy_checkpoint", &gptq::copy_checkpoint, nb::arg("source"), nb::arg("folder"), nb::arg("again") = false,
        nb::call_guard<WithoutGil>());
  nb::class_<QuantizedModel>(m, "QuantizedModel")
      .def_static(
          "create",
          [](const QuantizeOptions& options, const std::string& workspace, const nb::object& on_progress) {
            return run_job(on_progress, [&](const gptq::QuantizeSink& sink, const std::stop_token& stop) {
              return QuantizedModel::create(options, workspace, sink, stop);
            });
          },
          nb::arg("options"), nb::arg("workspace") = "", nb::arg("on_progress") = nb::none())
      .def_prop_ro("report", &QuantizedModel::report)
      .def_prop_ro("folder", &QuantizedModel::folder)
      .def("save", &QuantizedModel::save, nb::arg("folder"), nb::arg("again") = false, nb::call_guard<WithoutGil>());
}
