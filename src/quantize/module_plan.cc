// Options and rules → a plan for every linear, and the configuration for other readers.
#include "quantize/module_plan.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <set>

#include <gptq/error.h>

#include "core/group_size.h"
#include "core/regex.h"

namespace gptq::quantization {

using backend::LinearSet;
using backend::LinearSpec;
using checkpoint::QuantizeConfig;
using model::Architecture;

namespace {

// Tried in this order if no group size is given. Linears with a side that is not a multiple of 32 stay dense.
constexpr std::array<int, 3> kGroupSizes = {128, 64, 32};

[[noreturn]] void usage(const std::string& message) { throw Error(ErrorKind::kUsage, message); }

void check_grid(const GridOptions& grid, const std::string& where) {
  static const std::set<int> kBits = {2, 3, 4, 8}, kSizes = {-1, 16, 32, 64, 128, 256, 512, 1024};
  if (!kBits.count(grid.bits)) usage(where + ": bits is " + std::to_string(grid.bits) + ", expected 2, 3, 4 or 8");
  if (!kSizes.count(grid.group_size)) {
    usage(where + ": group_size is " + std::to_string(grid.group_size) +
          ", expected -1 (one group per row), 16, 32, 64, 128, 256, 512 or 1024");
  }
  if (grid.clip != "none" && grid.clip != "mse" && grid.clip != "hessian") {
    usage(where + ": clip is \"" + grid.clip + "\", expected none, mse or hessian");
  }
}

void check_options(const QuantizeOptions& o) {
  GridOptions grid = o.grid;
  if (grid.group_size == 0) grid.group_size = kGroupSizes.front();
  check_grid(grid, "quantizing " + o.model);
  if (!(o.damp > 0 && o.damp < 1)) usage("quantizing " + o.model + ": damp must be between 0 and 1");
  if (!(o.gptaq >= 0 && o.gptaq <= 1)) usage("quantizing " + o.model + ": gptaq must be between 0 and 1");
  if (o.gptaq > 0 && !o.true_sequential) {
    usage("quantizing " + o.model +
          ": gptaq requires the quantized inputs that true_sequential provides; "
          "use --gptaq 0 with --no-true-sequential");
  }
  if (o.samples < 1 || o.seqlen < 2)
    usage("quantizing " + o.model + ": samples must be at least 1 and seqlen at least 2");
  if (!o.format.empty() && o.format != "gptq" && o.format != "gptq_v2") {
    usage("quantizing " + o.model + ": format is \"" + o.format + "\", expected gptq or gptq_v2");
  }
}

struct CompiledRule {
  const ModuleRule* rule;
  Regex regex;
};

// The first rule that matches applies, as for other readers of `dynamic`. nullopt: stays dense.
std::optional<GridOptions> settings(const std::string& module, const GridOptions& defaults,
                                    const std::vector<CompiledRule>& rules) {
  GridOptions grid = defaults;
  for (const CompiledRule& r : rules) {
    if (!r.regex.matches_start(module)) continue;
    if (r.rule->skip) return std::nullopt;
    grid.bits = r.rule->bits.value_or(grid.bits);
    grid.group_size = r.rule->group_size.value_or(grid.group_size);
    grid.sym = r.rule->sym.value_or(grid.sym);
    grid.desc_act = r.rule->desc_act.value_or(grid.desc_act);
    break;
  }
  return grid;
}

bool same(const std::optional<GridOptions>& a, const std::optional<GridOptions>& b) {
  if (a.has_value() != b.has_value()) return false;
  return !a || (a->bits == b->bits && a->group_size == b->group_size && a->sym == b->sym && a->desc_act == b->desc_act);
}

// Of two settings for linears that need the same, the more precise one.
std::optional<GridOptions> finer(const std::optional<GridOptions>& a, const std::optional<GridOptions>& b) {
  if (!a || !b) return std::nullopt;
  if (a->bits != b->bits) return a->bits > b->bits ? a : b;
  if (GroupSize(a->group_size).is_finer_than(GroupSize(b->group_size))) return a;
  if (GroupSize(b->group_size).is_finer_than(GroupSize(a->group_size))) return b;
  return a->sym ? b : a;
}

bool fits_packing(const LinearSpec& linear) { return linear.in_features % 32 == 0 && linear.out_features % 32 == 0; }

// The defaults with a group size: the one given, or the first of kGroupSizes that divides the inputs of all linears
// that no rule gives another one.
GridOptions choose_defaults(const Architecture& architecture, const QuantizeOptions& options,
                            const std::vector<CompiledRule>& rules, std::vector<std::string>& notes) {
  GridOptions defaults = options.grid;
  if (defaults.group_size != 0) return defaults;
  std::string obstacle;
  int64_t inputs = 0;
  const auto divides_all = [&](int size) {
    for (int64_t layer = 0; layer < architecture.layers; ++layer) {
      for (const LinearSet& set : architecture.program(layer).linear_sets) {
        for (const LinearSpec& linear : set.linears) {
          const std::string module = architecture.layer_prefix(layer) + linear.name;
          if (!fits_packing(linear) || linear.in_features % size == 0) continue;
          const auto grid = settings(module, defaults, rules);
          if (!grid || grid->group_size != 0) continue;
          if (obstacle.empty()) obstacle = module, inputs = linear.in_features;
          return false;
        }
      }
    }
    return true;
  };
  const auto* found = std::find_if(kGroupSizes.begin(), kGroupSizes.end(), divides_all);
  CHECK(found != kGroupSizes.end());
  if (!obstacle.empty()) {
    notes.push_back("groups of " + std::to_string(*found) + ": " + std::to_string(kGroupSizes.front()) +
                    " does not divide the " + std::to_string(inputs) + " inputs of " + obstacle);
  }
  defaults.group_size = *found;
  return defaults;
}

void check_divides(const SetPlan& plan, const std::string& prefix) {
  const int64_t k = plan.set.linears[0].in_features;
  const int size = plan.grid->group_size;
  if (size < 0 || k % size == 0) return;
  std::string fitting;
  for (int candidate : {1024, 512, 256, 128, 64, 32, 16}) {
    if (k % candidate == 0) fitting += std::to_string(candidate) + ", ";
  }
  usage("quantizing " + prefix + plan.set.linears[0].name + ": group_size " + std::to_string(size) +
        " does not divide its " + std::to_string(k) + " inputs, which most readers require; use " + fitting +
        "-1, or --skip '" + plan.set.linears[0].name + "'");
}

// A pattern that matches one module name exactly.
std::string exact(const std::string& name) {
  std::string pattern = "^";
  for (char c : name) {
    if (c == '.') pattern += '\\';
    pattern += c;
  }
  return pattern += '$';
}

// The names under which readers look up a linear set: its linears, and the modules into which some readers fuse them.
std::vector<std::string> names_of(const LinearSet& set, const std::string& prefix) {
  std::vector<std::string> names;
  for (const LinearSpec& linear : set.linears) names.push_back(prefix + linear.name);
  for (const std::string& fused : set.fused_names) names.push_back(prefix + fused);
  return names;
}

bool describes(const QuantizeConfig& config, const ModelPlan& plan) {
  for (const LayerPlan& layer : plan.layers) {
    for (const SetPlan& set : layer.sets) {
      for (const std::string& name : names_of(set.set, layer.prefix)) {
        const auto found = config.settings_for(name);
        if (found.has_value() != set.grid.has_value()) return false;
        if (found && (found->bits != set.grid->bits || found->group_size != set.grid->group_size ||
                      found->sym != set.grid->sym || found->desc_act != set.grid->desc_act)) {
          return false;
        }
      }
    }
  }
  return true;
}

std::vector<ModuleRule> exact_rules(const ModelPlan& plan) {
  std::vector<ModuleRule> rules;
  for (const LayerPlan& layer : plan.layers) {
    for (const SetPlan& set : layer.sets) {
      if (same(set.grid, plan.defaults)) continue;
      for (const std::string& name : names_of(set.set, layer.prefix)) {
        ModuleRule rule;
        rule.pattern = exact(name);
        rule.skip = !set.grid.has_value();
        if (set.grid) {
          rule.bits = set.grid->bits;
          rule.group_size = set.grid->group_size;
          rule.sym = set.grid->sym;
          rule.desc_act = set.grid->desc_act;
        }
        rules.push_back(rule);
      }
    }
  }
  return rules;
}

// The quantized linears of a block in sub-steps, if all blocks are equal; otherwise nullopt.
std::optional<std::vector<std::vector<std::string>>> common_block(const ModelPlan& plan) {
  std::vector<std::vector<std::string>> first;
  for (size_t layer = 0; layer < plan.layers.size(); ++layer) {
    std::vector<std::vector<std::string>> block;
    for (const SetPlan& set : plan.layers[layer].sets) {
      if (!set.grid) continue;
      block.emplace_back();
      for (const LinearSpec& linear : set.set.linears) block.back().push_back(linear.name);
    }
    if (layer == 0) first = block;
    if (block != first) return std::nullopt;
  }
  return first;
}

// "*down_proj" -> ".*down_proj": a glob as a regular expression; "" if the result is not one.
std::string from_glob(const std::string& pattern) {
  std::string regex;
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] == '*' && (i == 0 || pattern[i - 1] != '.')) regex += '.';
    regex += pattern[i];
  }
  try {
    const Regex compiled(regex, "");
  } catch (const Error&) {
    return "";
  }
  return regex;
}

std::vector<CompiledRule> compile(const std::vector<ModuleRule>& rules) {
  std::vector<CompiledRule> compiled;
  for (const ModuleRule& rule : rules) {
    const std::string what = "the rule for \"" + rule.pattern + "\"";
    if (rule.pattern.empty())
      usage(what + ": the pattern is empty; name modules with a regular expression, such as '.*layers\\.0\\.'");
    if (rule.group_size == 0) usage(what + ": group_size is 0, expected -1 (one group per row) or a number of columns");
    try {
      compiled.push_back({&rule, Regex(rule.pattern, what)});
    } catch (const Error& error) {
      const std::string regex = from_glob(rule.pattern);
      usage(error.what() +
            (regex.empty() ? std::string() : "; patterns are regular expressions, write '" + regex + "'"));
    }
  }
  return compiled;
}

// A rule without effect is an error.
void check_matches(const CompiledRule& rule, const Architecture& architecture) {
  std::string inside;  // a module with a match not at its start
  for (int64_t layer = 0; layer < architecture.layers; ++layer) {
    for (const LinearSet& set : architecture.program(layer).linear_sets) {
      for (const LinearSpec& linear : set.linears) {
        const std::string module = architecture.layer_prefix(layer) + linear.name;
        if (rule.regex.matches_start(module)) return;
        if (inside.empty() && rule.regex.find(module)) inside = module;
      }
    }
  }
  const std::string& pattern = rule.rule->pattern;
  usage("applying the rule for \"" + pattern + "\": it matches no module; names look like " +
        architecture.layer_prefix(0) + architecture.program(0).linear_sets.back().linears.back().name +
        (inside.empty() ? "" : ", and patterns match from their start: write '.*" + pattern + "'"));
}

// The settings of a linear set, whose linears need the same.
SetPlan plan_set(const LinearSet& set, const std::string& prefix, const GridOptions& defaults,
                 const std::vector<CompiledRule>& rules, std::vector<std::string>& notes) {
  SetPlan plan{set, settings(prefix + set.linears[0].name, defaults, rules)};
  bool agree = true;
  for (const LinearSpec& linear : set.linears) {
    const auto wanted = settings(prefix + linear.name, defaults, rules);
    agree = agree && same(wanted, plan.grid);
    plan.grid = finer(plan.grid, wanted);
    if (plan.grid && !fits_packing(linear)) {
      notes.push_back(prefix + linear.name + " stays dense: its shape " + std::to_string(linear.out_features) + " × " +
                      std::to_string(linear.in_features) + " is not a multiple of 32");
      plan.grid.reset();
    }
  }
  if (!agree) {
    notes.push_back(prefix + set.name +
                    ": linears that share an input need the same settings; the finer ones are used for all");
  }
  if (!plan.grid) return plan;
  check_grid(*plan.grid, "the rule for " + prefix + set.linears[0].name);
  check_divides(plan, prefix);
  if (GroupSize(plan.grid->group_size).is_whole_row())
    plan.grid->group_aware = false;  // one group: nothing to keep contiguous
  return plan;
}

}  // namespace

bool ModelPlan::quantizes_anything() const {
  return std::any_of(layers.begin(), layers.end(), [](const LayerPlan& layer) {
    return std::any_of(layer.sets.begin(), layer.sets.end(), [](const SetPlan& set) { return set.grid.has_value(); });
  });
}

bool ModelPlan::asymmetric() const {
  return std::any_of(layers.begin(), layers.end(), [](const LayerPlan& layer) {
    return std::any_of(layer.sets.begin(), layer.sets.end(),
                       [](const SetPlan& set) { return set.grid && !set.grid->sym; });
  });
}

ModelPlan plan_modules(const Architecture& architecture, const QuantizeOptions& options) {
  check_options(options);
  const std::vector<CompiledRule> rules = compile(options.rules);
  for (const CompiledRule& rule : rules) check_matches(rule, architecture);
  ModelPlan plan;
  plan.defaults = choose_defaults(architecture, options, rules, plan.notes);
  for (int64_t layer = 0; layer < architecture.layers; ++layer) {
    plan.layers.push_back({architecture.layer_prefix(layer), {}});
    for (const LinearSet& set : architecture.program(layer).linear_sets) {
      plan.layers.back().sets.push_back(plan_set(set, plan.layers.back().prefix, plan.defaults, rules, plan.notes));
    }
  }
  if (!plan.quantizes_anything()) {
    usage(
        "choosing what to quantize: every linear layer is skipped or stays dense, nothing would be quantized; "
        "use fewer --skip patterns");
  }
  const bool v2 = options.format.empty() ? plan.asymmetric() : options.format == "gptq_v2";
  plan.format = v2 ? checkpoint::CheckpointFormat::kGptqV2 : checkpoint::CheckpointFormat::kGptq;
  if (plan.asymmetric() && !v2) {
    plan.notes.push_back("format gptq (v1) cannot portably represent a zero point of 0: zero points are at least 1");
  }
  return plan;
}

QuantizeConfig make_quantize_config(const ModelPlan& plan, const QuantizeOptions& options) {
  QuantizeConfig config;
  config.bits = plan.defaults.bits;
  config.group_size = plan.defaults.group_size;
  config.sym = plan.defaults.sym;
  config.desc_act = plan.defaults.desc_act;
  config.static_groups = plan.defaults.static_groups;
  config.true_sequential = options.true_sequential;
  config.damp_percent = options.damp;
  config.format = plan.format;
  config.dynamic = options.rules;
  if (!describes(config, plan)) config.dynamic = exact_rules(plan);
  CHECK(describes(config, plan));
  const bool all = std::all_of(plan.layers.begin(), plan.layers.end(), [](const LayerPlan& layer) {
    return std::all_of(layer.sets.begin(), layer.sets.end(), [](const SetPlan& set) { return set.grid.has_value(); });
  });
  if (!all) {
    if (const auto block = common_block(plan)) config.modules_in_block_to_quantize = *block;
  }
  return config;
}

}  // namespace gptq::quantization

namespace gptq {

ModuleRule ModuleRule::parse(const std::string& text) {
  const size_t colon = text.rfind(':');
  const auto fail = [&](const std::string& why) {
    quantization::usage("reading the rule \"" + text + "\": " + why +
                        "; write it as REGEX:bits=8,group_size=32,sym=false,desc_act=true");
  };
  if (colon == std::string::npos || colon == 0) fail("found no REGEX:SETTINGS");
  ModuleRule rule;
  rule.pattern = text.substr(0, colon);
  std::string rest = text.substr(colon + 1);
  if (rest.empty()) fail("no settings after the colon");
  while (!rest.empty()) {
    const size_t comma = rest.find(',');
    const std::string item = rest.substr(0, comma);
    rest = comma == std::string::npos ? "" : rest.substr(comma + 1);
    const size_t equals = item.find('=');
    const std::string key = item.substr(0, equals), value = equals == std::string::npos ? "" : item.substr(equals + 1);
    if (key == "bits" || key == "group_size") {
      int number = 0;
      const auto [end, status] = std::from_chars(value.data(), value.data() + value.size(), number);
      if (status != std::errc() || end != value.data() + value.size())
        fail(key + " needs an integer, found '" + value + "'");
      (key == "bits" ? rule.bits : rule.group_size) = number;
    } else if (key == "sym" || key == "desc_act") {
      if (value != "true" && value != "false") fail(key + " needs true or false, found '" + value + "'");
      (key == "sym" ? rule.sym : rule.desc_act) = value == "true";
    } else {
      fail("found the unknown setting \"" + key + "\"");
    }
  }
  return rule;
}

}  // namespace gptq
