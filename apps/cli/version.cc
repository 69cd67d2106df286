// gptq version: shows the build and the machine.
#include <gptq/gptq.h>

#include "checks.h"
#include "commands.h"
#include "output.h"
#include "table.h"

namespace gptq::cli {

Action add_version(CLI::App& app, const CommonOptions& common) {
  app.footer("gptq --version prints the number alone.\n\nExamples:\n  gptq version\n  gptq version --json\n");
  return [&common] {
    if (common.json) {
      Json json = {{"version", version()}, {"device", to_string(Device::parse("auto"))}};
      for (const Check& check : checks()) {
        if (!json.contains(check.name)) json[check.name] = check.text;
      }
      put_json(json);
      return 0;
    }
    Table table({{""}, {""}});
    for (const Check& check : checks()) table.add({check.name, check.text});
    put("gptq " + version() + ", runs on " + to_string(Device::parse("auto")) + "\n" + table.str());
    return 0;
  };
}

}  // namespace gptq::cli
