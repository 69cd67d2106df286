// gptq cache: lists, removes and verifies cached models of the Hub.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <memory>

#include <gptq/gptq.h>

#include "commands.h"
#include "model.h"
#include "numbers.h"
#include "output.h"
#include "table.h"

namespace gptq::cli {

namespace {

constexpr const char* kCacheFooter = R"(Examples:
  gptq cache ls
  gptq cache rm org/name             the whole model
  gptq cache rm org/name@main        one revision; contents that others use are kept
  gptq cache verify                  hash everything again; exit code 6 if something is damaged
  gptq cache verify org/name

The cache is the one of huggingface_hub: HF_HUB_CACHE, else HF_HOME/hub, else ~/.cache/huggingface/hub.
)";

struct CacheArguments {
  std::string action, model;
};

int list(const CommonOptions& common) {
  Json json = Json::array();
  Table table({{"model"}, {"revision"}, {"commit"}, {"files", Table::Align::kRight}, {"size", Table::Align::kRight}});
  int64_t bytes = 0;
  for (const CachedModel& model : cached_models()) {
    Json revisions = Json::array();
    for (const CachedRevision& r : model.revisions) {
      table.add({model.id, fmt::format("{}", fmt::join(r.refs, ", ")), r.commit.substr(0, 12), std::to_string(r.files),
                 human_bytes(r.bytes)});
      revisions.push_back(
          {{"commit", r.commit}, {"refs", r.refs}, {"folder", r.folder}, {"files", r.files}, {"bytes", r.bytes}});
    }
    bytes += model.bytes;
    json.push_back(
        {{"id", model.id}, {"folder", model.folder}, {"bytes", model.bytes}, {"revisions", std::move(revisions)}});
  }
  if (common.json) {
    put_json(json);
  } else {
    put(table.str() + fmt::format("{} on disk\n", human_bytes(bytes)));
  }
  return 0;
}

int remove(const std::string& model, const CommonOptions& common) {
  if (model.empty()) throw Error(ErrorKind::kUsage, "gptq cache rm needs a model: org/name, or org/name@revision");
  const int64_t freed = remove_cached(model);
  common.json ? put_json({{"freed", freed}}) : put(fmt::format("{} freed\n", human_bytes(freed)));
  return 0;
}

int verify(const std::string& model, const CommonOptions& common) {
  std::vector<CacheFault> faults;
  {
    TransferBar bar(common.quiet);
    faults = verify_cached(model, bar.sink());
  }
  Json json = Json::array();
  std::string text;
  for (const CacheFault& fault : faults) {
    json.push_back({{"path", fault.path}, {"what", fault.what}});
    text += fault.path + ": " + fault.what + "\n";
  }
  if (faults.empty()) {
    text = "no damage found\n";
  } else {
    text += fmt::format("{} damaged; download the model again with `gptq pull --force-download`\n", faults.size());
  }
  common.json ? put_json(json) : put(text);
  return faults.empty() ? 0 : static_cast<int>(ErrorKind::kVerification);
}

int run_cache_command(const CacheArguments& a, const CommonOptions& common) {
  if (a.action == "rm") return remove(a.model, common);
  if (a.action == "verify") return verify(a.model, common);
  if (!a.model.empty()) throw Error(ErrorKind::kUsage, "gptq cache ls takes no model");
  return list(common);
}

}  // namespace

Action add_cache(CLI::App& app, const CommonOptions& common) {
  const auto arguments = std::make_shared<CacheArguments>();
  app.add_option("ACTION", arguments->action, "ls, rm or verify")
      ->required()
      ->check(CLI::IsMember({"ls", "rm", "verify"}));
  app.add_option("MODEL", arguments->model, "For rm and verify: org/name; for rm also org/name@revision");
  app.footer(kCacheFooter);
  return [arguments, &common] { return run_cache_command(*arguments, common); };
}

}  // namespace gptq::cli
