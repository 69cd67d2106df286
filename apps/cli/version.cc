// gptq version: which build this is.
#include <gptq/gptq.h>

#include "commands.h"
#include "output.h"

namespace gptq::cli {

Action add_version(CLI::App& app, const CommonOptions& common) {
  app.footer("Examples:\n  gptq version\n  gptq version --json\n");
  return [&common] {
    const std::string device = to_string(Device::parse("auto"));
    if (common.json) {
      put_json({{"version", version()}, {"device", device}});
    } else {
      put("gptq " + version() + ", runs on " + device + "\n");
    }
    return 0;
  };
}

}  // namespace gptq::cli
