// gptq bench: measures how fast a model loads, processes prompts and generates tokens.
#include <fmt/format.h>
#include <memory>
#include <thread>

#include <gptq/gptq.h>

#include "commands.h"
#include "interrupt.h"
#include "machine_load.h"
#include "model.h"
#include "numbers.h"
#include "output.h"
#include "progress.h"
#include "table.h"

namespace gptq::cli {

namespace {

constexpr const char* kBenchFooter =
    R"(Tests: pp512 processes a prompt of 512 random tokens; tg128@d1024 generates 128 tokens, greedily, after 1024. Each is
repeated after a warm-up run; the time is the median, then the fastest and the slowest run.
The last column compares with rates of the device, measured in the same run: prompts with the rate of a large dense
16-bit matrix product (on a CPU: of 8-bit products, of which exact activations need two), decoding (which reads all weights
and the cache once per token) with the rate of copies (on a CPU: of reading).

Examples:
  gptq bench models/demo
  gptq bench mistral-7b-4bit --device cuda:0 --prompt-lengths 512,4096 --depths 128,8192
  gptq bench mistral-7b-4bit --tokens 256 --repeat 5 --json

Without --prompt-lengths and --depths, the defaults that fit the model's context are measured. Other work on the machine
distorts the numbers: there is a warning when the load average exceeds half of the hardware threads.
)";

using Align = Table::Align;

Json to_json(const BenchReport& report, const std::string& warning) {
  Json rows = Json::array();
  for (const BenchRow& row : report.rows) {
    const bool prompt = row.kind == BenchRow::Kind::kPrompt;
    rows.push_back({{"name", row.name},
                    {"batch", row.batch},
                    {"tokens", row.tokens},
                    {"median_seconds", row.median_seconds},
                    {"min_seconds", row.min_seconds},
                    {"max_seconds", row.max_seconds},
                    {"tokens_per_second", row.tokens_per_second},
                    {prompt ? "operations_per_second" : "bytes_per_second",
                     prompt ? row.operations_per_second : row.bytes_per_second},
                    {"share_of_" + (prompt ? report.product_kind : report.memory_kind), row.share}});
  }
  return {{"model", report.model},
          {"device", report.device},
          {"weight_bytes", report.weight_bytes},
          {"load_seconds", report.load_seconds},
          {"first_token_seconds", report.first_token_seconds},
          {report.memory_kind + "_bytes_per_second", report.memory_rate},
          {report.product_kind + "_operations_per_second", report.product_rate},
          {"rows", std::move(rows)},
          {"notes", warning.empty() ? Json::array() : Json::array({warning})}};
}

std::string bytes_rate(double rate) { return human_bytes(static_cast<int64_t>(rate)) + "/s"; }

std::string to_text(const BenchReport& report) {
  Table head({{""}, {""}});
  head.add({"model", fmt::format("{}, reads {} of weights per token", report.model, human_bytes(report.weight_bytes))});
  head.add(
      {"device", fmt::format("{}, {} rate {}, {} {}", report.device, report.memory_kind, bytes_rate(report.memory_rate),
                             report.product_kind == "gemm" ? "matrix products" : "8-bit products",
                             human_operations(report.product_rate))});
  head.add({"load", fmt::format("{}, first token after {}", human_seconds(report.load_seconds),
                                human_seconds(report.first_token_seconds))});
  Table table({{"test"},
               {"batch", Align::kRight},
               {"ms", Align::kRight},
               {"fastest", Align::kRight},
               {"slowest", Align::kRight},
               {"tokens/s", Align::kRight},
               {"rate", Align::kRight},
               {"of the device", Align::kRight}});
  for (const BenchRow& row : report.rows) {
    const bool prompt = row.kind == BenchRow::Kind::kPrompt;
    table.add({row.name, std::to_string(row.batch), fmt::format("{:.2f}", row.median_seconds * 1e3),
               fmt::format("{:.2f}", row.min_seconds * 1e3), fmt::format("{:.2f}", row.max_seconds * 1e3),
               fmt::format("{:.1f}", row.tokens_per_second),
               prompt ? human_operations(row.operations_per_second) : bytes_rate(row.bytes_per_second),
               fmt::format("{:.0f} %", 100 * row.share)});
  }
  return head.str() + "\n" + table.str();
}

void add_list(CLI::App& app, const std::string& name, std::vector<int>& values, const std::string& help) {
  app.add_option(name, values, help)->type_name("N,N,...")->delimiter(',')->allow_extra_args(false);
}

int run_bench_command(BenchOptions options, const CommonOptions& common) {
  options.model = model_folder(options.model, common);
  say_device(options.compute, common);
  const std::string warning = load_warning(load_average(), std::thread::hardware_concurrency());
  if (!warning.empty()) say("warning: " + warning);
  BenchReport report;
  {
    const Interrupt interrupt;
    Progress progress(common.quiet);
    report = run_bench(options, [&](double fraction, const std::string& what) {
      progress.update(fraction, what);
      return !interrupt.pressed();
    });
  }
  if (common.json) {
    put_json(to_json(report, warning));
  } else {
    put(to_text(report));
  }
  return 0;
}

}  // namespace

Action add_bench(CLI::App& app, const CommonOptions& common) {
  const auto options = std::make_shared<BenchOptions>();
  add_model_argument(app, options->model);
  add_list(app, "--prompt-lengths", options->prompt_lengths,
           "Prompt lengths in tokens (default: those of 128, 512, 2048 that fit)");
  add_list(app, "--depths", options->depths,
           "Context lengths in tokens at which decoding is measured (default: those of 128, 1024, 4096 that fit)");
  add_list(app, "--batches", options->batches, "Sequences decoded in parallel");
  app.add_option("--tokens", options->tokens, "Tokens to generate at each context length")->type_name("N");
  app.add_option("--repeat", options->repeat, "Measured runs per test")->type_name("N");
  add_compute_options(app, options->compute);
  put_into_group(app, kExpertOptions, {"batches", "repeat"});
  app.footer(kBenchFooter);
  return [options, &common] { return run_bench_command(*options, common); };
}

}  // namespace gptq::cli
