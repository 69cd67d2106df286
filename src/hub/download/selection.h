// Which files of a repository to fetch.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "hub/repository/listing.h"

namespace gptq::hub {

// "": what a language model needs, which is configuration, tokenizer, chat template, licence, README, and the weights:
// model.safetensors, or the index and exactly the shards that it names, or else what other *.safetensors lie at the top
// (models of older GPTQ tools). With `include` these globs instead. `exclude` takes away from either.
struct Selection {
  std::vector<std::string> include, exclude;
};

using ReadText = std::function<std::string(const RepoFile&)>;  // the content of a small file, for the index

// In the listing's order. Throws Error(kNotFound) when nothing is left, when the listing has no weights that gptq reads
// (NoSafetensors, when it has pickles), and when the index names a shard that is not there; Error(kVerification) for an
// index that cannot be.
std::vector<RepoFile> select_files(const Listing& listing, const Selection& selection, const std::string& id,
                                   const ReadText& read_text);

// The weights are there, but only as pickles, which run code when they are read.
struct NoSafetensors : Error {
  using Error::Error;
};

// The names of files in "weight_map", without doubles. Throws Error(kVerification).
std::vector<std::string> shards_of_index(std::string_view json, const std::string& where);

// Names the pull request that brings safetensors to a repository of pickles, "" when there is none: the robot of the
// Hub makes one for many.
std::string find_conversion(const Session& session, HttpClient& client, const std::string& id);

}  // namespace gptq::hub
