// Parses listings; all of their bytes are untrusted.
#include "hub/repository/listing.h"

#include <algorithm>
#include <unordered_set>

#include "core/json.h"
#include "hub/http/reply.h"
#include "hub/repository/digest.h"
#include "hub/repository/suggest.h"

namespace gptq::hub {

namespace {

constexpr const char* kNoHub =
    "; is HF_ENDPOINT a Hugging Face Hub, or does a proxy or this network's login page intercept it?";
constexpr size_t kMaxFiles = 200'000;
constexpr size_t kReliable = 50'000;  // files that the one-call listing is known to contain
constexpr size_t kMaxPages = 1'000;
constexpr int64_t kLargestFile = int64_t{1} << 44;  // 16 TiB; the Hub allows 0.5 TB

[[noreturn]] void refuse(const std::string& where, const std::string& path, const std::string& fault) {
  throw Error(ErrorKind::kVerification, where + ": the file " + path + " " + fault + "; nothing was fetched");
}

void check_file(const RepoFile& file, const std::string& where) {
  if (file.size < 0 || file.size > kLargestFile)
    refuse(where, file.path, "has the size " + std::to_string(file.size) + ", expected 0 to 16 TiB");
  if (!is_etag(file.blob_id) || file.blob_id.size() != 40)
    refuse(where, file.path, "has no Git hash of 40 hexadecimal digits");
  if (!file.sha256.empty() && (!is_etag(file.sha256) || file.sha256.size() != 64))
    refuse(where, file.path, "has a SHA-256 that is not 64 hexadecimal digits");
  if (!file.xet_hash.empty() && (!is_etag(file.xet_hash) || file.xet_hash.size() != 64))
    refuse(where, file.path, "has a Xet hash that is not 64 hexadecimal digits");
}

RepoFile read_sibling(const Json& json, const std::string& where) {
  const JsonReader sibling(json, where);
  RepoFile file;
  file.path = sibling.string("rfilename");
  check_repo_path(file.path, where);
  file.size = sibling.integer("size");
  file.blob_id = sibling.string("blobId");
  file.xet_hash = sibling.string("xetHash", "");
  if (const Json* lfs = sibling.find("lfs")) {
    const JsonReader pointer(*lfs, where + ", lfs of " + file.path);
    file.sha256 = pointer.string("sha256");
    file.size = pointer.integer("size");
  }
  check_file(file, where);
  return file;
}

RepoFile read_tree_entry(const std::string& path, const Json& json, const std::string& where) {
  const JsonReader entry(json, where);
  RepoFile file{path, entry.integer("size"), entry.string("blob_id"), entry.string("lfs_sha256", ""),
                entry.string("xet_hash", "")};
  file.size = entry.integer("lfs_size", file.size);
  check_repo_path(file.path, where);
  check_file(file, where);
  return file;
}

}  // namespace

const RepoFile* Listing::find(std::string_view path) const {
  const auto found = std::find_if(files.begin(), files.end(), [&](const RepoFile& file) { return file.path == path; });
  return found == files.end() ? nullptr : &*found;
}

void check_paths(const Listing& listing, const std::string& where) {
  std::unordered_set<std::string_view> paths;
  for (const RepoFile& file : listing.files) {
    if (!paths.insert(file.path).second) refuse(where, file.path, "is listed twice");
  }
  for (const RepoFile& file : listing.files) {
    const std::string_view path = file.path;
    for (size_t slash = path.find('/'); slash != path.npos; slash = path.find('/', slash + 1)) {
      if (paths.count(path.substr(0, slash)) > 0)
        refuse(where, file.path, "is below " + std::string(path.substr(0, slash)) + ", which is also listed as a file");
    }
  }
}

Listing parse_listing(std::string_view json, const std::string& where) {
  const Json document = parse_reply(json, where, kMaxListingValues);
  const JsonReader info(document, where);
  Listing listing;
  listing.commit = info.string("sha");
  if (!is_commit(listing.commit)) info.fail("sha", "a commit of 40 hexadecimal digits");
  const Json& siblings = info.at("siblings");
  if (!siblings.is_array() || siblings.size() > kMaxFiles) info.fail("siblings", "a list of at most 200000 files");
  for (const Json& sibling : siblings) listing.files.push_back(read_sibling(sibling, where + ", siblings"));
  check_paths(listing, where);
  return listing;
}

std::vector<RepoFile> parse_page(std::string_view json, const std::string& where) {
  const Json page = parse_reply(json, where, kMaxListingValues);
  if (!page.is_array() || page.size() > kMaxFiles)
    throw Error(ErrorKind::kVerification, where + ": expected a list of files and folders");
  std::vector<RepoFile> files;
  for (const Json& json_entry : page) {
    const JsonReader entry(json_entry, where);
    if (entry.string("type") != "file") continue;
    RepoFile file{entry.string("path"), entry.integer("size"), entry.string("oid"), "", entry.string("xetHash", "")};
    check_repo_path(file.path, where);
    if (const Json* lfs = entry.find("lfs")) {
      const JsonReader pointer(*lfs, where + ", lfs of " + file.path);
      file.sha256 = pointer.string("oid");
      file.size = pointer.integer("size");
    }
    check_file(file, where);
    files.push_back(std::move(file));
  }
  return files;
}

namespace {

// The address in `Link: <...>; rel="next"`, "" when there is none.
std::string next_page(const HttpResponse& response) {
  const std::string link = response.header("link");
  const size_t end = link.find(">; rel=\"next\"");
  const size_t begin = end == std::string::npos ? end : link.rfind('<', end);
  return begin == std::string::npos ? "" : absolute_url(response.url, link.substr(begin + 1, end - begin - 1));
}

// Of the commit that `context` names.
std::vector<RepoFile> fetch_pages(const Session& session, HttpClient& client, const RequestContext& context,
                                  const std::string& where) {
  std::vector<RepoFile> files;
  HttpRequest request;
  request.url = session.settings.endpoint + "/api/models/" + context.id + "/tree/" + context.revision +
                "?recursive=true&expand=false";
  for (size_t page = 0; !request.url.empty(); ++page) {
    const HttpResponse response = request_with_retries(session, client, request);
    if (!response.ok()) throw explain(response, context, session.settings, session.token);
    for (RepoFile& file : parse_page(response.body, where)) files.push_back(std::move(file));
    request.url = next_page(response);
    if (files.size() > kMaxFiles || page == kMaxPages) {
      throw Error(ErrorKind::kVerification, where + ": found more than " + std::to_string(kMaxFiles) +
                                                " files, or endless pages; is this a language model?");
    }
    if (!request.url.empty() && !session.is_hub(request.url)) {
      throw Error(ErrorKind::kVerification, where + ": its next page is at " + host_of(request.url) +
                                                ", expected the same host; is HF_ENDPOINT a Hugging Face Hub?");
    }
  }
  return files;
}

}  // namespace

Listing fetch_listing(const Session& session, HttpClient& client, const ModelName& name, int tries) {
  HttpRequest request;
  request.url = session.settings.endpoint + "/api/models/" + name.id + "/revision/" +
                url_encoded(name.revision, false) + "?blobs=true";
  const RequestContext context{"listing the files of " + name.id, name.id, name.revision, ""};
  const HttpResponse response = request_with_retries(session, client, request, tries);
  if (!response.ok()) {
    throw explain(response, context, session.settings, session.token, suggestion(session, client, name, response));
  }
  const std::string where = "the listing of " + name.id + " from " + session.settings.endpoint;
  Listing listing;
  try {
    listing = parse_listing(response.body, where);
  } catch (const Error& error) {
    throw Error(error.kind(), std::string(error.what()) + kNoHub);
  }
  if (listing.files.size() >= kReliable) {
    listing.files = fetch_pages(session, client, {context.action, name.id, listing.commit, ""}, where);
    check_paths(listing, where);
  }
  return listing;
}

Listing parse_tree(std::string_view json, const std::string& commit, const std::string& where) {
  const Json document = parse_reply(json, where, kMaxListingValues);
  const JsonReader tree(document, where);
  if (tree.integer("format_version") != 1) tree.fail("format_version", "1");
  const Json& files = tree.at("files");
  if (!files.is_object() || files.size() > kMaxFiles) tree.fail("files", "an object of at most 200000 files");
  Listing listing{commit, {}};
  for (const auto& [path, entry] : files.items()) listing.files.push_back(read_tree_entry(path, entry, where));
  check_paths(listing, where);
  return listing;
}

// In the format of Python's json.dump(indent=1), with sorted paths.
std::string tree_text(const Listing& listing) {
  std::vector<const RepoFile*> files;
  for (const RepoFile& file : listing.files) files.push_back(&file);
  std::sort(files.begin(), files.end(), [](const RepoFile* a, const RepoFile* b) { return a->path < b->path; });
  std::string text = "{\n \"format_version\": 1,\n \"files\": {";
  const char* separator = "\n";
  for (const RepoFile* file : files) {
    OrderedJson entry = {{"size", file->size}, {"blob_id", file->blob_id}};
    if (!file->sha256.empty()) entry["lfs_sha256"] = file->sha256, entry["lfs_size"] = file->size;
    if (!file->xet_hash.empty()) entry["xet_hash"] = file->xet_hash;
    std::string fields = entry.dump(1);
    for (size_t line = fields.find('\n'); line != std::string::npos; line = fields.find('\n', line + 1))
      fields.insert(line + 1, "  ");
    text += separator + ("  " + Json(file->path).dump(-1, ' ', true)) + ": " + fields;
    separator = ",\n";
  }
  return text + (files.empty() ? "}\n}" : "\n }\n}");
}

}  // namespace gptq::hub
