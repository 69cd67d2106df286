// Tables of included and excluded names.
#include "hub/download/selection.h"

#include <algorithm>
#include <set>

#include "core/json.h"
#include "core/model_files.h"
#include "hub/download/glob.h"
#include "hub/http/reply.h"

namespace gptq::hub {

namespace {

// Other formats of the same weights, and files of other programs with similar names.
const std::vector<std::string> kExcluded = {"original/", "metal/", "onnx/", "consolidated*.safetensors",
                                            "consolidated*.safetensors.index.json"};

const std::vector<std::string> kPickles = {"*.bin", "*.pt", "*.pth", "*.ckpt"};

constexpr const char* kWhole = "model.safetensors";
constexpr const char* kIndex = "model.safetensors.index.json";
constexpr size_t kMaxShards = 10'000;
constexpr size_t kMaxPullRequests = 8;  // pull requests to inspect

bool is_at_top(const std::string& path) { return path.find('/') == std::string::npos; }

// The paths of the weights; empty when there are none that gptq reads. An excluded index is not read.
std::set<std::string> weights_of(const Listing& listing, const Selection& selection, const std::string& id,
                                 const ReadText& read_text) {
  if (listing.find(kWhole) != nullptr) return {kWhole};
  std::set<std::string> paths;
  if (const RepoFile* index = listing.find(kIndex)) {
    paths.insert(kIndex);
    if (any_matches(selection.exclude, kIndex)) return paths;
    for (const std::string& shard : shards_of_index(read_text(*index), std::string(kIndex) + " of " + id)) {
      if (listing.find(shard) == nullptr) {
        throw Error(ErrorKind::kNotFound, "selecting the files of " + id + ": " + kIndex + " names " + shard +
                                              ", which the repository does not have; is it still being uploaded?");
      }
      paths.insert(shard);
    }
    return paths;
  }
  for (const RepoFile& file : listing.files) {
    const bool weights = file.path.ends_with(".safetensors") || file.path.ends_with(".safetensors.index.json");
    if (weights && is_at_top(file.path) && !any_matches(kExcluded, file.path)) paths.insert(file.path);
  }
  return paths;
}

[[noreturn]] void throw_no_weights(const Listing& listing, const std::string& id) {
  const auto first = [&](const std::vector<std::string>& globs) {
    const auto found = std::find_if(listing.files.begin(), listing.files.end(),
                                    [&](const RepoFile& file) { return any_matches(globs, file.path); });
    return found == listing.files.end() ? "" : found->path;
  };
  const std::string what = "selecting the files of " + id + ": ";
  if (const std::string pickle = first(kPickles); !pickle.empty()) {
    throw NoSafetensors(ErrorKind::kNotFound, what + "it has pickled weights only (" + pickle +
                                                  "), which can execute code when loaded; gptq reads safetensors only");
  }
  if (const std::string gguf = first({"*.gguf"}); !gguf.empty()) {
    throw Error(ErrorKind::kNotFound, what + "its weights are in another format (" + gguf +
                                          "); use the original model, whose weights are in safetensors");
  }
  throw Error(ErrorKind::kNotFound,
              what + "found no *.safetensors among its " + std::to_string(listing.files.size()) +
                  " files; is this the repository of a language model? --include selects any files");
}

}  // namespace

std::vector<std::string> shards_of_index(std::string_view json, const std::string& where) {
  const Json document = parse_reply(json, where, kMaxListingValues);
  const JsonReader index(document, where);
  const Json& map = index.at("weight_map");
  if (!map.is_object()) index.fail("weight_map", "an object of tensor names and file names");
  std::set<std::string> shards;
  for (const auto& entry : map.items()) {
    if (!entry.value().is_string()) index.fail("weight_map", "the name of a file for each tensor");
    const auto& shard = entry.value().get_ref<const std::string&>();
    if (!shards.insert(shard).second) continue;
    check_repo_path(shard, where);
    if (!is_at_top(shard) || !shard.ends_with(".safetensors") || shards.size() > kMaxShards)
      index.fail("weight_map", "names of *.safetensors in the folder of the index, at most 10000");
  }
  return {shards.begin(), shards.end()};
}

std::vector<RepoFile> select_files(const Listing& listing, const Selection& selection, const std::string& id,
                                   const ReadText& read_text) {
  std::set<std::string> weights;
  if (selection.include.empty()) {
    weights = weights_of(listing, selection, id, read_text);
    const bool unwanted = any_matches(selection.exclude, kWhole);  // some users need only the tokenizer
    if (weights.empty() && !unwanted) throw_no_weights(listing, id);
  }
  std::vector<RepoFile> files;
  for (const RepoFile& file : listing.files) {
    const bool taken = selection.include.empty()
                           ? weights.count(file.path) > 0 ||
                                 (find_model_file(file.path) != nullptr && !any_matches(kExcluded, file.path))
                           : any_matches(selection.include, file.path);
    if (taken && !any_matches(selection.exclude, file.path)) files.push_back(file);
  }
  if (files.empty()) {
    throw Error(ErrorKind::kNotFound, "selecting the files of " + id + ": none of its " +
                                          std::to_string(listing.files.size()) +
                                          " files matches --include and --exclude; the patterns are globs over "
                                          "whole paths, like '*.json' or 'original/*'");
  }
  return files;
}

std::string find_conversion(const Session& session, HttpClient& client, const std::string& id) {
  HttpRequest request;
  request.url = session.settings.endpoint + "/api/models/" + id + "/refs?include_prs=1";
  const HttpResponse response = request_with_retries(session, client, request, 1);
  if (!response.ok()) return "";
  const Json refs = reply_or_null(response.body);
  if (!refs.is_object() || !refs.contains("pullRequests") || !refs["pullRequests"].is_array()) return "";
  size_t looked = 0;
  for (const Json& proposal : refs["pullRequests"]) {
    if (!proposal.is_object() || !proposal.contains("ref") || !proposal["ref"].is_string()) continue;
    if (++looked > kMaxPullRequests) break;
    const std::string ref = proposal["ref"];
    try {
      const Listing listing = fetch_listing(session, client, ModelName::parse(id, ref), 1);
      if (listing.find(kWhole) != nullptr || listing.find(kIndex) != nullptr) return ref;
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::kInterrupted) throw;  // any other error: not this pull request
    }
  }
  return "";
}

}  // namespace gptq::hub
