// gptq doctor: checks whether the program has everything it needs.
#include <fmt/format.h>
#include <algorithm>

#include "checks.h"
#include "commands.h"
#include "output.h"
#include "table.h"

namespace gptq::cli {

Action add_doctor(CLI::App& app, const CommonOptions& common) {
  app.footer(
      "Each line is OK or a warning; a warning names a feature that is unavailable; the program works without it.\n\n"
      "Examples:\n  gptq doctor\n  gptq doctor --json\n");
  return [&common] {
    const std::vector<Check> all = checks();
    const auto warnings = std::count_if(all.begin(), all.end(), [](const Check& check) { return !check.good; });
    if (common.json) {
      Json list = Json::array();
      for (const Check& check : all) {
        list.push_back({{"name", check.name}, {"status", check.good ? "ok" : "warn"}, {"text", check.text}});
      }
      put_json({{"warnings", warnings}, {"checks", std::move(list)}});
      return 0;
    }
    Table table({{""}, {""}, {""}});
    for (const Check& check : all) table.add({check.good ? "OK" : "warn", check.name, check.text});
    put(table.str() + (warnings == 0 ? "all is well\n" : fmt::format("{} warnings\n", warnings)));
    return 0;
  };
}

}  // namespace gptq::cli
