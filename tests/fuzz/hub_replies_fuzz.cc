// Fuzzes what the Hub answers: listings, their copies in the cache and the index of the weights are refused, or give
// names that stay below a folder and content that is named by a hash.
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <gptq/error.h>

#include "core/file.h"
#include "hub/download/selection.h"
#include "hub/repository/digest.h"
#include "hub/repository/listing.h"

namespace {

using namespace gptq;
using namespace gptq::hub;

void expect(bool holds) {
  if (!holds) __builtin_trap();
}

void check(const std::vector<RepoFile>& files) {
  for (const RepoFile& file : files) {
    expect(is_etag(file.etag()) && file.size >= 0);
    const fs::path inside = (fs::path("/cache") / file.path).lexically_normal();
    expect(inside.string().starts_with("/cache/") && inside == fs::path("/cache") / file.path);
  }
}

void check(const Listing& listing) {
  expect(is_commit(listing.commit));
  check(listing.files);
  std::set<std::string> paths;
  for (const RepoFile& file : listing.files) expect(paths.insert(file.path).second);
  expect(tree_text(parse_tree(tree_text(listing), listing.commit, "again")) == tree_text(listing));
  select_files(listing, {}, "org/name",
               [](const RepoFile&) { return R"({"weight_map": {"a": "model-1.safetensors"}})"; });
}

template <typename Parse>
void may_refuse(Parse&& parse) {
  try {
    parse();
  } catch (const Error& error) {
    expect(error.kind() == ErrorKind::kVerification || error.kind() == ErrorKind::kNotFound);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  may_refuse([&] { check(parse_listing(text, "listing")); });
  may_refuse([&] { check(parse_tree(text, std::string(40, 'a'), "tree")); });
  may_refuse([&] { check(parse_page(text, "page")); });
  may_refuse([&] { shards_of_index(text, "index"); });
  return 0;
}
