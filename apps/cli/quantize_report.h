// What `gptq quantize` prints: the plan before, the table after, both also as JSON.
#pragma once

#include <string>

#include <gptq/gptq.h>

#include "output.h"

namespace gptq::cli {

Json plan_json(const QuantizeOptions& options, const QuantizePlan& plan);
std::string plan_text(const QuantizeOptions& options, const QuantizePlan& plan);

Json report_json(const QuantizeReport& report);
std::string report_text(const QuantizeReport& report, bool all_modules);

// Mean over the modules, weighted by size.
double mean_error(const QuantizeReport& report);
// "good", "acceptable" or "poor" for a mean error; docs/quantize.md relates them to perplexity.
std::string verdict(double mean_error);

std::string module_line(const ModuleReport& module);  // one line for -v while the work goes on

}  // namespace gptq::cli
