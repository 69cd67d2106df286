// The README's guide, line by line as it stands there, against a Hub on loopback that has the demo model under Mistral's name.
#include <stdlib.h>

#include <sstream>

#include "tests/cli/process.h"
#include "tests/hub/local_hub.h"

namespace gptq::testing {
namespace {

// The commands of the first block of shell lines behind `heading`.
std::vector<std::string> commands_behind(const std::string& heading) {
  std::istringstream lines(read_whole(std::string(GPTQ_SOURCE_DIR) + "/README.md"));
  std::vector<std::string> commands;
  bool behind = false, inside = false;
  for (std::string line; std::getline(lines, line);) {
    if (line == heading) behind = true;
    if (inside && line == "```") break;
    if (inside) commands.push_back(line);
    if (behind && line == "```sh") inside = true;
  }
  return commands;
}

TEST(Readme, TheGuideRunsAsPasted) {
  LocalHub hub;
  hub.add_user({.name = "ann", .tokens = {{.value = "hf_annwritewrite", .role = "write"}}});
  hub.commit_folder("mistralai/Mistral-7B-Instruct-v0.2", kDemo);
  const Scratch scratch;
  fs::create_directories(scratch / "bin");
  fs::create_symlink(GPTQ_BINARY, scratch / "bin/gptq");
  const std::vector<std::string> commands = commands_behind("## AutoGPTQ's guide in six commands");
  ASSERT_EQ(commands.size(), 6u);
  for (const std::string& command : commands) {
    // Who logs in pastes the token.
    const std::string shell = "cd " + (scratch / ".") + " && export PATH=$PWD/bin:$PATH HF_HOME=$PWD/home HF_ENDPOINT=" +
                              hub.endpoint() + " && unset HF_TOKEN HF_HUB_OFFLINE && echo hf_annwritewrite | { " +
                              command + "; } >>output 2>&1";
    EXPECT_EQ(system(("bash -c '" + shell + "'").c_str()), 0) << command << "\n" << read_whole(scratch / "output");
  }
  EXPECT_TRUE(hub.has("ann/Mistral-7B-Instruct-v0.2-GPTQ"));
  EXPECT_FALSE(has(read_whole(scratch / "output"), "hf_annwritewrite"));
}

}  // namespace
}  // namespace gptq::testing
