// gptq quantize: a model folder in, a quantized checkpoint folder out.
#include <fmt/format.h>
#include <memory>

#include <gptq/gptq.h>

#include "commands.h"
#include "interrupt.h"
#include "model.h"
#include "numbers.h"
#include "output.h"
#include "progress.h"
#include "quantize_report.h"

namespace gptq::cli {

namespace {

constexpr const char* kQuantizeFooter = R"(Examples:
  gptq quantize models/demo -o demo-4bit
  gptq quantize mistral-7b -o mistral-7b-4bit --calibration texts.jsonl --group-size 128
  gptq quantize mistral-7b -o mistral-7b-mixed --rule '.*down_proj:bits=8,group_size=32' --skip '.*layers\.0\.'
  gptq quantize mistral-7b -o mistral-7b-4bit --dry-run      show the plan and its requirements
  gptq quantize mistral-7b -o mistral-7b-4bit --resume       continue after Ctrl-C or a crash

A rule applies to the modules whose names match its regular expression from the start; the first match applies,
and every --skip precedes every --rule. Its keys are bits, group_size, sym and desc_act.

Unfinished work is in DIR.partial; DIR appears when it is complete.
)";

struct QuantizeArguments {
  QuantizeOptions options;
  std::vector<std::string> rules, skips, calibration_texts;
  std::string max_shard_size = "5GB";
  bool no_group_aware = false;
  bool dry_run = false;
};

void add_grid_options(CLI::App& app, QuantizeArguments& a) {
  GridOptions& grid = a.options.grid;
  app.add_option("--bits", grid.bits, "Bits per weight: 2, 3, 4 or 8")
      ->type_name("N")
      ->check(CLI::IsMember({"2", "3", "4", "8"}));
  app.add_option("--group-size", grid.group_size,
                 "Input columns that share a scale, 16 to 1024; -1 for one scale per row")
      ->type_name("N")
      ->check([](const std::string& text) {
        return text == "0" ? "0 is not a group size; expected 16 to 1024, or -1" : "";
      })
      ->default_str("128, or 64 or 32 if 128 does not divide the inputs");
  app.add_flag("--sym,!--asym", grid.sym, "Grid symmetric around zero, or with zero points (default: --sym)")
      ->default_str("true");
  app.add_flag("--desc-act", grid.desc_act,
               "Order all columns by activation: more accurate, slower inference (default: off)");
  app.add_flag("--static-groups", grid.static_groups,
               "Choose scales from the original weights, before any error feedback (default: off)");
  app.add_flag("--no-group-aware", a.no_group_aware,
               "Do not order columns by activation within their groups (default: ordered; no inference cost)");
  app.add_option("--clip", grid.clip, "Scale search: hessian (the loss that GPTQ minimises), mse, none (min/max)")
      ->type_name("NAME")
      ->check(CLI::IsMember({"hessian", "mse", "none"}));
  add_repeatable(app, "--rule", a.rules, "Settings for the modules that match, as 'REGEX:bits=8,group_size=32'")
      ->type_name("RULE");
  add_repeatable(app, "--skip", a.skips, "Do not quantize the modules that match")->type_name("REGEX");
}

void add_method_options(CLI::App& app, QuantizeArguments& a) {
  QuantizeOptions& o = a.options;
  app.add_option(
         "--gptaq", o.gptaq,
         "Strength of the correction towards the original model's outputs (GPTAQ), 0 to 1; 0 is plain GPTQ, which "
         "is faster")
      ->type_name("X")
      ->check(CLI::Range(0.0, 1.0));
  app.add_option("--damp", o.damp, "Fraction of the mean diagonal of the Hessian that is added to the diagonal")
      ->type_name("X");
  app.add_flag("--true-sequential,!--no-true-sequential", o.true_sequential,
               "Let later linears of a layer see outputs of the quantized earlier ones (default: --true-sequential)")
      ->default_str("true");
  add_repeatable(
      app, "--calibration", o.calibration,
      "Calibration text, also as gzip or zstd: plain, JSON lines or array, CSV; rows of \"text\", \"messages\", "
      "\"prompt\" and \"completion\"...; or a folder of such files (default: built-in text)")
      ->type_name("FILE");
  add_repeatable(app, "--calibration-text", a.calibration_texts, "A calibration text itself, in addition to files")
      ->type_name("TEXT");
  app.add_option("--samples", o.samples, "Calibration windows")->type_name("N");
  app.add_option("--seqlen", o.seqlen, "Tokens per calibration window")->type_name("N");
  app.add_option("--seed", o.seed, "Seed of the random choice of windows")->type_name("N")->check(whole_number());
}

void add_job_options(CLI::App& app, QuantizeArguments& a) {
  QuantizeOptions& o = a.options;
  app.add_option("--format", o.format, "Checkpoint format: gptq or gptq_v2; default gptq, or gptq_v2 with --asym")
      ->type_name("NAME")
      ->check(CLI::IsMember({"gptq", "gptq_v2"}));
  app.add_option("--max-shard-size", a.max_shard_size, "Maximum size of a weight file, for example 5GB")
      ->type_name("SIZE");
  add_compute_options(app, o.compute);
  app.add_flag("--resume", o.resume, "Resume the unfinished work in DIR.partial (same options)");
  app.add_flag("--force", o.force, "Replace an existing output folder that gptq made");
  app.add_flag("--dry-run", a.dry_run, "Only print the plan and its requirements");
}

QuantizeReport run_with_progress(const QuantizeOptions& options, const CommonOptions& common) {
  const Interrupt interrupt([] { say("finishing this layer; press Ctrl-C again to abort"); });
  Progress progress(common.quiet);
  const auto on_progress = [&](const QuantizeProgress& p) {
    if (p.module != nullptr) {
      if (common.verbose && !common.quiet) say(module_line(*p.module));
    } else {
      progress.update(p.fraction, p.phase);
    }
  };
  return quantize(options, on_progress, interrupt.token());
}

int run_quantize_command(QuantizeArguments& a, const CommonOptions& common) {
  QuantizeOptions& options = a.options;
  options.grid.group_aware = !a.no_group_aware;
  options.max_shard_bytes = parse_bytes(a.max_shard_size);
  for (const std::string& text : a.calibration_texts) {
    options.calibration_rows.push_back({CorpusRow::Kind::kText, text, {}});
  }
  for (const std::string& pattern : a.skips) {
    ModuleRule rule;
    rule.pattern = pattern;
    rule.skip = true;
    options.rules.push_back(rule);
  }
  for (const std::string& text : a.rules) options.rules.push_back(ModuleRule::parse(text));

  options.model = model_folder(options.model, common);
  say_device(options.compute, common);
  if (a.dry_run) {
    const QuantizePlan plan = plan_quantize(options);
    if (common.json) {
      put_json(plan_json(options, plan));
    } else {
      put(plan_text(options, plan));
    }
    return 0;
  }
  const QuantizeReport report = run_with_progress(options, common);
  if (common.json) {
    put_json(report_json(report));
  } else if (common.quiet) {
    put(report.output + "\n");
  } else {
    put(report_text(report, common.verbose));
  }
  return 0;
}

}  // namespace

Action add_quantize(CLI::App& app, const CommonOptions& common) {
  const auto arguments = std::make_shared<QuantizeArguments>();
  add_model_argument(app, arguments->options.model);
  app.add_option("-o,--output", arguments->options.output, "Folder to create")->required()->type_name("DIR");
  add_grid_options(app, *arguments);
  add_method_options(app, *arguments);
  add_job_options(app, *arguments);
  put_into_group(app, kQualityOptions, {"sym", "desc-act", "rule", "skip", "gptaq", "samples", "seqlen"});
  put_into_group(
      app, kExpertOptions,
      {"static-groups", "no-group-aware", "clip", "damp", "true-sequential", "seed", "format", "max-shard-size"});
  app.footer(kQuantizeFooter);
  return [arguments, &common] { return run_quantize_command(*arguments, common); };
}

}  // namespace gptq::cli
