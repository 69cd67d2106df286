// Selects the files of a repository to download.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "hub/repository/listing.h"

namespace gptq::hub {

// Without `include`: what a language model needs, i.e. configuration, tokenizer, chat template, licence, README and
// weights: model.safetensors, or the index and exactly its shards, or else all other *.safetensors of the top folder
// (models of older GPTQ tools). With `include`: the files that match these globs. `exclude` removes from either.
struct Selection {
  std::vector<std::string> include, exclude;
};

// returns the content of a small file; used for the index
using ReadText = std::function<std::string(const RepoFile&)>;

// In the order of the listing. Throws Error(kNotFound) when nothing matches, when the listing has no weights that
// gptq reads (NoSafetensors, when it has pickles), and when the index names a missing shard; Error(kVerification) for
// a malformed index.
std::vector<RepoFile> select_files(const Listing& listing, const Selection& selection, const std::string& id,
                                   const ReadText& read_text);

// The repository has weights only as pickles, which can execute code when loaded.
struct NoSafetensors : Error {
  using Error::Error;
};

// The distinct file names in "weight_map". Throws Error(kVerification).
std::vector<std::string> shards_of_index(std::string_view json, const std::string& where);

// The ref of a pull request that adds safetensors to a repository of pickles; "" when there is none. A bot of the Hub
// opens one for many repositories.
std::string find_conversion(const Session& session, HttpClient& client, const std::string& id);

}  // namespace gptq::hub
