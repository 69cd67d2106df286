// gptq completion: prints a shell completion script.
#include <memory>

#include "commands.h"
#include "completion_script.h"
#include "output.h"

namespace gptq::cli {

namespace {

constexpr const char* kCompletionFooter =
    R"(The script goes to standard output. The package has all three of them in share/.

Examples:
  gptq completion bash > ~/.local/share/bash-completion/completions/gptq
  gptq completion zsh > ~/.zfunc/_gptq
  gptq completion fish > ~/.config/fish/completions/gptq.fish
  source <(gptq completion bash)

In .zshrc, before compinit: fpath+=~/.zfunc
)";

}  // namespace

Action add_completion(CLI::App& app, const CommonOptions& common) {
  const auto shell = std::make_shared<std::string>();
  app.add_option("SHELL", *shell, "bash, zsh or fish")->required()->check(CLI::IsMember({"bash", "zsh", "fish"}));
  app.footer(kCompletionFooter);
  return [shell, &app, &common] {
    const CLI::App& program = *app.get_parent();
    const std::string script = *shell == "bash"  ? bash_completion(program)
                               : *shell == "zsh" ? zsh_completion(program)
                                                 : fish_completion(program);
    common.json ? put_json({{"shell", *shell}, {"script", script}}) : put(script);
    return 0;
  };
}

}  // namespace gptq::cli
