// What `gptq quantize` prints: the plan before, the table after, both also as JSON.
#include "quantize_report.h"

#include <fmt/format.h>
#include <algorithm>
#include <cmath>
#include <optional>

#include "numbers.h"
#include "table.h"

namespace gptq::cli {

namespace {

// Mean errors up to which a result is good or acceptable.
constexpr double kGood = 0.01, kAcceptable = 0.04;

constexpr size_t kWorst = 10;  // modules in the table unless all are asked for

using Align = Table::Align;

std::string group_text(int group_size) { return group_size < 0 ? "row" : std::to_string(group_size); }

std::string sizes(int64_t before, int64_t after) {
  const double ratio = after > 0 ? static_cast<double>(before) / static_cast<double>(after) : 0;
  return fmt::format("{} -> {}, {:.2f} times smaller", human_bytes(before), human_bytes(after), ratio);
}

bool has_chat_template(const std::string& folder) {
  try {
    ChatTemplate::open(folder);
    return true;
  } catch (const Error&) {
    return false;
  }
}

constexpr const char* kTooFewTokens = "the calibration text has too few tokens to hold some out for evaluation";

std::string module_error_text(double error) { return std::isfinite(error) ? human_share(error) : "-"; }

std::string error_text(const QuantizeReport& report) {
  if (!report.errors_meaningful) return std::string("not meaningful: ") + kTooFewTokens;
  const double mean = mean_error(report);
  const bool poor = mean > kAcceptable;
  return fmt::format("{} on average: {}{}", human_share(mean), verdict(mean),
                     poor ? " (more --bits, a smaller --group-size or --asym)" : "");
}

std::string module_table(const std::vector<ModuleReport>& modules) {
  Table table({{"module"},
               {"bits", Align::kRight},
               {"group", Align::kRight},
               {"error", Align::kRight},
               {"damp", Align::kRight},
               {"method"},
               {"seconds", Align::kRight}});
  for (const ModuleReport& module : modules) {
    table.add({module.name, std::to_string(module.bits), group_text(module.group_size), module_error_text(module.error),
               fmt::format("{:g}", module.damp), module.method, fmt::format("{:.2f}", module.seconds)});
  }
  return table.str();
}

}  // namespace

Json plan_json(const QuantizeOptions& options, const QuantizePlan& plan) {
  Json gpu;  // null on a CPU
  if (plan.gpu.limit_bytes > 0) {
    gpu = {{"peak_bytes", plan.gpu.peak_bytes},
           {"limit_bytes", plan.gpu.limit_bytes},
           {"host_bytes", plan.gpu.host_bytes},
           {"batch_tokens", plan.gpu.batch_tokens},
           {"recomputes", plan.gpu.recomputes}};
  }
  return {{"output", options.output},
          {"layers", plan.layers},
          {"modules", plan.modules},
          {"group_size", plan.group_size},
          {"tokens", plan.tokens},
          {"peak_bytes", plan.peak_bytes},
          {"bytes_in", plan.bytes_in},
          {"bytes_out", plan.bytes_out},
          {"seconds", plan.seconds},
          {"seconds_range", {plan.min_seconds, plan.max_seconds}},
          {"gpu", gpu},
          {"notes", plan.notes}};
}

std::string plan_text(const QuantizeOptions& options, const QuantizePlan& plan) {
  Table table({{""}, {""}});
  table.add({"model", options.model});
  table.add({"output", options.output});
  table.add({"layers", std::to_string(plan.layers)});
  table.add({"modules",
             fmt::format("{} to quantize to {} bits, {}, unless a rule overrides it", plan.modules, options.grid.bits,
                         plan.group_size < 0 ? "one scale per row" : fmt::format("groups of {}", plan.group_size))});
  table.add({"calibration", human_count(plan.tokens) + " tokens"});
  table.add({"size", sizes(plan.bytes_in, plan.bytes_out)});
  table.add({"peak memory", "about " + human_bytes(plan.peak_bytes)});
  if (plan.gpu.limit_bytes > 0) table.add({"GPU memory", to_string(plan.gpu)});
  table.add({"time", human_range(plan.min_seconds, plan.max_seconds)});
  std::string text = table.str();
  for (const std::string& note : plan.notes) text += "note: " + note + "\n";
  return text + "Nothing was written; run the same command without --dry-run.\n";
}

Json report_json(const QuantizeReport& report) {
  Json modules = Json::array();
  for (const ModuleReport& module : report.modules) {
    modules.push_back({{"name", module.name},
                       {"bits", module.bits},
                       {"group_size", module.group_size},
                       {"error", std::isfinite(module.error) ? Json(module.error) : Json()},
                       {"damp", module.damp},
                       {"method", module.method},
                       {"seconds", module.seconds},
                       {"bytes_in", module.bytes_in},
                       {"bytes_out", module.bytes_out}});
  }
  return {{"output", report.output},
          {"seconds", report.seconds},
          {"peak_bytes", report.peak_bytes},
          {"gpu_peak_bytes", report.gpu_peak_bytes},
          {"bytes_in", report.bytes_in},
          {"bytes_out", report.bytes_out},
          {"resumed_layers", report.resumed_layers},
          {"errors_meaningful", report.errors_meaningful},
          {"errors_reason", report.errors_meaningful ? Json() : Json(kTooFewTokens)},
          {"mean_error", report.errors_meaningful ? Json(mean_error(report)) : Json()},
          {"verdict", report.errors_meaningful ? Json(verdict(mean_error(report))) : Json()},
          {"modules", std::move(modules)},
          {"notes", report.notes}};
}

std::string report_text(const QuantizeReport& report, bool all_modules) {
  std::vector<ModuleReport> modules = report.modules;
  std::string text;
  if (!all_modules && modules.size() > kWorst && report.errors_meaningful) {
    std::stable_sort(modules.begin(), modules.end(), [](const auto& a, const auto& b) { return a.error > b.error; });
    text = fmt::format("The {} modules with the largest error, of {} (-v shows all):\n", kWorst, modules.size());
    modules.resize(kWorst);
  }
  text += module_table(modules) + "\n";
  const ModelInfo model = inspect(report.output);
  const double bits =
      model.parameters > 0 ? 8.0 * static_cast<double>(report.bytes_out) / static_cast<double>(model.parameters) : 0;
  int64_t modules_in = 0, modules_out = 0;
  for (const ModuleReport& module : report.modules) {
    modules_in += module.bytes_in;
    modules_out += module.bytes_out;
  }
  Table table({{""}, {""}});
  table.add({"modules", sizes(modules_in, modules_out)});
  table.add({"whole model", sizes(report.bytes_in, report.bytes_out)});
  table.add({"bits per weight", fmt::format("{:.2f}, including embeddings and output head", bits)});
  table.add({"error", error_text(report)});
  table.add({"peak memory", human_bytes(report.peak_bytes)});
  if (report.gpu_peak_bytes > 0) table.add({"peak GPU memory", human_bytes(report.gpu_peak_bytes)});
  table.add({"time", human_seconds(report.seconds)});
  if (report.resumed_layers > 0) {
    table.add({"resumed", fmt::format("{} layers from an earlier run", report.resumed_layers)});
  }
  text += table.str();
  for (const std::string& note : report.notes) text += "note: " + note + "\n";
  const std::string next = has_chat_template(report.output)
                               ? "gptq chat " + report.output
                               : "gptq generate " + report.output + " -p 'Once upon a time'";
  return text + "\nSaved " + report.output + ". To try and share it:\n\n  " + next + "\n  gptq push " + report.output +
         " YOU/NAME\n";
}

double mean_error(const QuantizeReport& report) {
  double error = 0, size = 0;
  for (const ModuleReport& module : report.modules) {
    error += module.error * static_cast<double>(module.bytes_in);
    size += static_cast<double>(module.bytes_in);
  }
  return size > 0 ? error / size : 0;
}

std::string verdict(double mean_error) {
  return mean_error <= kGood ? "good" : mean_error <= kAcceptable ? "acceptable" : "poor";
}

std::string module_line(const ModuleReport& module) {
  return fmt::format("{}  {} bits  group {}  error {}  damp {:g}  {}  {}", module.name, module.bits,
                     group_text(module.group_size), module_error_text(module.error), module.damp, module.method,
                     human_seconds(module.seconds));
}

}  // namespace gptq::cli
