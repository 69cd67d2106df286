// gptq pull: a model from the Hugging Face Hub into the cache or a folder.
#include <fmt/format.h>
#include <memory>

#include <gptq/gptq.h>

#include "commands.h"
#include "model.h"
#include "numbers.h"
#include "output.h"
#include "table.h"

namespace gptq::cli {

namespace {

constexpr const char* kPullFooter = R"(Examples:
  gptq pull mistralai/Mistral-7B-Instruct-v0.3
  gptq pull org/name@v1.0 --local-dir name         download into a folder instead of the cache
  gptq pull org/name --include '*.json' --dry-run  list the files only
  cd $(gptq pull org/name)

Only the path of the folder is printed to standard output. Files are in the cache shared with huggingface_hub (HF_HOME), so
nothing is downloaded twice; every file is verified by its hash. Running an interrupted pull again resumes it. Every
command that takes MODEL downloads missing models itself. Patterns are shell globs over whole paths; * also matches
slashes.
)";

struct PullArguments {
  std::string model;
  PullOptions options;
};

Json to_json(const PullResult& result) {
  Json files = Json::array();
  for (const PulledFile& file : result.files)
    files.push_back({{"path", file.path}, {"size", file.size}, {"cached", file.cached}});
  return {{"folder", result.folder},
          {"commit", result.commit},
          {"files", std::move(files)},
          {"bytes_total", result.bytes_total},
          {"bytes_fetched", result.bytes_fetched}};
}

std::string pull_plan_text(const PullResult& result) {
  Table table({{"file"}, {"size", Table::Align::kRight}, {""}});
  int64_t missing = 0;
  for (const PulledFile& file : result.files) {
    table.add({file.path, human_bytes(file.size), file.cached ? "present" : ""});
    if (!file.cached) missing += file.size;
  }
  return table.str() + fmt::format("{} files, {}, of which {} are missing, commit {}\n", result.files.size(),
                                   human_bytes(result.bytes_total), human_bytes(missing), result.commit);
}

int run_pull_command(const PullArguments& a, const CommonOptions& common) {
  const PullResult result = pull_with_progress(a.model, a.options, common);
  if (common.json) {
    put_json(to_json(result));
  } else if (a.options.dry_run) {
    put(pull_plan_text(result));
  } else {
    put(result.folder + "\n");
  }
  return 0;
}

}  // namespace

Action add_pull(CLI::App& app, const CommonOptions& common) {
  const auto arguments = std::make_shared<PullArguments>();
  PullOptions& o = arguments->options;
  app.add_option("MODEL", arguments->model, "Model on the Hub: org/name or org/name@revision")->required();
  app.add_option("--revision", o.revision, "Branch, tag, refs/pr/N or commit (default: main)")->type_name("NAME");
  app.add_option("--local-dir", o.local_dir, "Download into this folder (default: the shared cache)")->type_name("DIR");
  add_repeatable(app, "--include", o.include, "Glob of the files to download instead of the default selection")
      ->type_name("GLOB");
  add_repeatable(app, "--exclude", o.exclude, "Glob of files to exclude")->type_name("GLOB");
  app.add_option("--token", o.token, "Access token (default: HF_TOKEN, else the stored login)")->type_name("TOKEN");
  app.add_option("--max-workers", o.max_workers, "Parallel connections; idle ones help with large files")
      ->type_name("N")
      ->check(CLI::Range(1, 64));
  app.add_flag("--force-download", o.force_download, "Download files again that are already present (default: off)");
  app.add_flag("--dry-run", o.dry_run, "Only list the files (default: off)");
  app.footer(kPullFooter);
  return [arguments, &common] { return run_pull_command(*arguments, common); };
}

}  // namespace gptq::cli
