// Requests that read: models, listings, files, identities, and the storage's side of downloads.
#include <zlib.h>

#include <algorithm>
#include <optional>

#include "core/json.h"
#include "tests/hub/local_hub_routes.h"

namespace gptq::testing {

namespace {

std::string packed(const std::string& content) {
  z_stream stream{};
  deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);  // 16: gzip's header
  std::string out(deflateBound(&stream, content.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(content.data()));
  stream.avail_in = static_cast<uInt>(content.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

// The parts of a path behind a prefix: "/api/models/" and "/api/models/org/name/tree/main".
std::string behind(const std::string& path, const std::string& prefix) { return path.substr(prefix.size()); }

// Sends `file`, or the part of it that a Range asks for.
void put_content(const Request& request, const HubFile& file, Response& response) {
  response.body = file.bytes;
  response.set("Accept-Ranges", "bytes");
  const std::string range = request.header("range");
  if (!range.starts_with("bytes=")) return;
  const std::string text = range.substr(6);
  const size_t dash = text.find('-');
  const int64_t size = file.size();
  int64_t begin = 0, end = size;
  if (dash == 0) {
    begin = std::max<int64_t>(0, size - std::stoll(text.substr(1)));
  } else {
    begin = std::stoll(text.substr(0, dash));
    if (dash + 1 < text.size()) end = std::min<int64_t>(size, std::stoll(text.substr(dash + 1)) + 1);
  }
  if (begin >= size || begin >= end) {
    response.status = 416;
    response.set("Content-Range", "bytes */" + std::to_string(size));
    response.body = nullptr;
    return;
  }
  response.status = 206;
  response.begin = begin, response.end = end;
  response.set("Content-Range",
               "bytes " + std::to_string(begin) + "-" + std::to_string(end - 1) + "/" + std::to_string(size));
}

}  // namespace

// Requests that read. One object for each request.
struct HubRoutes {
  LocalHub& hub;
  const Request& request;
  LocalHub::Caller caller;

  bool owns(const std::string& id) const {
    if (caller.user == nullptr) return false;
    const std::string owner = id.substr(0, id.find('/'));
    const auto& organizations = caller.user->organizations;
    return owner == caller.user->name ||
           std::find(organizations.begin(), organizations.end(), owner) != organizations.end();
  }

  // The Hub does not tell those who may not see a repository whether it is there.
  std::optional<Response> hidden(const std::string& id) const {
    if (caller.wrong_token) return refusal(401, "", "Invalid credentials in Authorization header");
    const auto found = hub.repos_.find(id);
    if (found == hub.repos_.end() || (found->second.is_private && !owns(id))) {
      if (caller.user == nullptr) return refusal(401, "RepoNotFound", "Invalid username or password.");
      return refusal(404, "RepoNotFound", "Repository not found");
    }
    if (found->second.disabled) return refusal(403, "", "Access to this resource is disabled.");
    return std::nullopt;
  }

  std::optional<Response> closed(const std::string& id) const {
    if (std::optional<Response> response = hidden(id)) return response;
    const HubRepo& repo = hub.repos_.at(id);
    if (repo.gated.empty() || owns(id)) return std::nullopt;
    const std::string page = hub.endpoint() + "/" + id;
    if (caller.user == nullptr) {
      return refusal(401, "GatedRepo",
                     "Access to model " + id +
                         " is restricted. You must have access to it and be authenticated to "
                         "access it. Please log in.");
    }
    if (caller.token->role == "fineGrained" && !caller.token->can_read_gated) {
      return refusal(403, "",
                     "Please enable access to public gated repositories in your fine-grained token settings to view "
                     "this repository.");
    }
    if (repo.accepted.count(caller.user->name) > 0) return std::nullopt;
    if (repo.awaiting.count(caller.user->name) > 0) {
      return refusal(403, "GatedRepo",
                     "Your request to access model " + id + " is awaiting a review from the repo authors.");
    }
    return refusal(403, "GatedRepo",
                   "Access to model " + id + " is restricted and you are not in the authorized list. Visit " + page +
                       " to ask for access.");
  }

  // The name that begins `path` (one part or two), and where it ends.
  std::string id_in(const std::string& path) const {
    const size_t slash = path.find('/');
    if (slash == std::string::npos) return path;
    const std::string one = path.substr(0, slash);
    const std::string two = path.substr(0, path.find('/', slash + 1));
    for (const std::string& id : {two, one}) {
      if (hub.repos_.count(id) > 0 || hub.renamed_.count(id) > 0) return id;
    }
    return two;
  }

  std::optional<Response> moved(const std::string& id) const {
    const auto found = hub.renamed_.find(id);
    if (found == hub.renamed_.end()) return std::nullopt;
    std::string target = request.target;
    target.replace(target.find(id), id.size(), found->second);
    Response response;
    response.status = 307;
    response.set("Location", target);
    response.text("Temporary Redirect. Redirecting to " + target, "text/plain");
    return response;
  }

  static Json entry(const std::string& path, const HubFile& file) {
    Json json = {{"type", "file"}, {"path", path}, {"size", file.size()}, {"oid", file.oid}};
    if (file.lfs) {
      json["oid"] = sha1_hex(file.oid);  // of the pointer file
      json["lfs"] = {{"oid", file.oid}, {"size", file.size()}, {"pointerSize", 134}};
    }
    return json;
  }

  Response info(const std::string& id, const std::string& commit) const {
    const HubRepo& repo = hub.repos_.at(id);
    Json siblings = Json::array();
    for (const auto& [path, file] : repo.commits.at(commit).files) {
      Json sibling = {{"rfilename", path}};
      if (request.query.count("blobs") > 0) {
        sibling["size"] = file.size();
        sibling["blobId"] = file.lfs ? sha1_hex(file.oid) : file.oid;
        if (file.lfs) sibling["lfs"] = {{"sha256", file.oid}, {"size", file.size()}, {"pointerSize", 134}};
      }
      siblings.push_back(std::move(sibling));
    }
    return json_response({{"_id", "0123456789abcdef01234567"},
                          {"id", id},
                          {"modelId", id},
                          {"author", id.substr(0, id.find('/'))},
                          {"sha", commit},
                          {"lastModified", "2026-01-02T03:04:05.000Z"},
                          {"createdAt", "2026-01-02T03:04:05.000Z"},
                          {"private", repo.is_private},
                          {"disabled", repo.disabled},
                          {"gated", repo.gated.empty() ? Json(false) : Json(repo.gated)},
                          {"downloads", 12},
                          {"likes", 3},
                          {"tags", {"transformers", "safetensors"}},
                          {"pipeline_tag", "text-generation"},
                          {"library_name", "transformers"},
                          {"cardData", repo.card},
                          {"siblings", std::move(siblings)}});
  }

  Response tree(const HubRepo& repo, const std::string& commit, const std::string& below) const {
    const bool recursive = request.query.count("recursive") > 0 && request.query.at("recursive") != "false" &&
                           request.query.at("recursive") != "False";
    std::map<std::string, Json> entries;
    const std::string prefix = below.empty() ? "" : below + "/";
    for (const auto& [path, file] : repo.commits.at(commit).files) {
      if (!path.starts_with(prefix)) continue;
      for (size_t slash = path.find('/', prefix.size()); slash != std::string::npos;
           slash = path.find('/', slash + 1)) {
        const std::string folder = path.substr(0, slash);
        entries[folder] = {{"type", "directory"}, {"path", folder}, {"size", 0}, {"oid", sha1_hex(folder)}};
        if (!recursive) break;
      }
      if (recursive || path.find('/', prefix.size()) == std::string::npos) entries[path] = entry(path, file);
    }
    if (entries.empty() && !below.empty()) return refusal(404, "EntryNotFound", below + " does not exist");
    const size_t page = static_cast<size_t>(hub.tree_page);
    const auto cursor = request.query.find("cursor");
    const size_t begin = cursor == request.query.end() ? 0 : std::stoul(cursor->second);
    Json shown = Json::array();
    size_t index = 0;
    for (auto& [path, json] : entries) {
      if (index >= begin && index < begin + page) shown.push_back(std::move(json));
      ++index;
    }
    Response response = json_response(shown);
    if (begin + page < entries.size()) {
      const size_t question = std::min(request.target.find('?'), request.target.size());
      response.set("Link", "<" + hub.endpoint() + request.target.substr(0, question) +
                               "?recursive=" + (recursive ? "true" : "false") +
                               "&expand=false&cursor=" + std::to_string(begin + page) + ">; rel=\"next\"");
    }
    return response;
  }

  Response paths_info(const HubRepo& repo, const std::string& commit) const {
    std::vector<std::string> paths;
    if (request.header("content-type").starts_with("application/json")) {
      for (const auto& path : Json::parse(request.body).at("paths")) paths.push_back(path.get<std::string>());
    } else {  // a form: paths=a&paths=b
      for (size_t begin = 0; begin < request.body.size();) {
        const size_t end = std::min(request.body.find('&', begin), request.body.size());
        const std::string pair = request.body.substr(begin, end - begin);
        if (pair.starts_with("paths=")) paths.push_back(url_decoded(pair.substr(6), true));
        begin = end + 1;
      }
    }
    Json shown = Json::array();
    const HubRepo::Tree& files = repo.commits.at(commit).files;
    for (const std::string& path : paths) {
      if (const auto found = files.find(path); found != files.end()) shown.push_back(entry(path, found->second));
    }
    return json_response(shown);
  }

  Response refs(const HubRepo& repo) const {
    Json json = {{"branches", Json::array()}, {"converts", Json::array()}, {"tags", Json::array()}};
    const auto add = [&](const char* list, const std::string& name, const std::string& ref, const std::string& commit) {
      json[list].push_back({{"name", name}, {"ref", ref}, {"targetCommit", commit}});
    };
    for (const auto& [name, commit] : repo.branches) add("branches", name, "refs/heads/" + name, commit);
    for (const auto& [name, commit] : repo.tags) add("tags", name, "refs/tags/" + name, commit);
    if (request.query.count("include_prs") > 0) {
      json["pullRequests"] = Json::array();
      for (const auto& [number, commit] : repo.pull_requests) {
        const std::string name = std::to_string(number);
        add("pullRequests", name, "refs/pr/" + name, commit);
      }
    }
    return json_response(json);
  }

  // GET /api/models?search=...&limit=...: what everybody may see and has the text in its name.
  Response search() const {
    const auto parameter = [&](const char* name, const char* otherwise) {
      const auto found = request.query.find(name);
      return found == request.query.end() ? otherwise : found->second;
    };
    const std::string text = parameter("search", "");
    const size_t limit = std::stoul(parameter("limit", "1000"));
    Json found = Json::array();
    for (const auto& [id, repo] : hub.repos_) {
      if (found.size() < limit && !repo.is_private && id.find(text) != std::string::npos) found.push_back({{"id", id}});
    }
    return json_response(found);
  }

  Response who_am_i() const {
    if (caller.wrong_token) return refusal(401, "", "Invalid credentials in Authorization header");
    if (caller.user == nullptr) return refusal(401, "", "Invalid username or password.");
    Json organizations = Json::array();
    for (const std::string& name : caller.user->organizations) {
      organizations.push_back({{"type", "org"}, {"name", name}, {"fullname", name}});
    }
    Json token = {{"displayName", caller.token->name}, {"role", caller.token->role}};
    if (caller.token->role == "fineGrained") {
      Json permissions = Json::array();
      if (caller.token->can_write) permissions.push_back("repo.write");
      token["fineGrained"] = {
          {"canReadGatedRepos", caller.token->can_read_gated},
          {"global", Json::array()},
          {"scoped", {{{"entity", {{"type", "user"}, {"name", caller.user->name}}}, {"permissions", permissions}}}}};
    }
    return json_response({{"type", "user"},
                          {"id", "0123456789abcdef01234567"},
                          {"name", caller.user->name},
                          {"fullname", caller.user->full_name},
                          {"email", caller.user->name + "@example.com"},
                          {"orgs", organizations},
                          {"auth", {{"type", "access_token"}, {"accessToken", token}}}});
  }

  // GET and HEAD of a file: the last address of a small one, or the redirect to where the bytes lie.
  Response file(const std::string& id, const std::string& revision, const std::string& path, bool final) const {
    if (std::optional<Response> response = closed(id)) return *response;
    const HubRepo& repo = hub.repos_.at(id);
    const std::string commit = commit_of(repo, revision);
    if (commit.empty()) return refusal(404, "RevisionNotFound", "Invalid rev id: " + revision);
    const HubRepo::Tree& files = repo.commits.at(commit).files;
    const auto found = files.find(path);
    if (found == files.end()) {
      Response response = refusal(404, "EntryNotFound", "Entry not found");
      response.set("X-Repo-Commit", commit);
      return response;
    }
    const HubFile& stored = found->second;
    Response response;
    response.set("X-Repo-Commit", commit);
    response.set("X-Request-Id", "Root=1-local");
    if (stored.lfs) {
      response.status = 302;
      response.set("X-Linked-Etag", "\"" + stored.oid + "\"");
      response.set("X-Linked-Size", std::to_string(stored.size()));
      response.set("ETag", "\"" + sha1_hex(stored.oid) + "\"");
      response.set("Location", hub.sign("GET", "/lfs/" + stored.oid + "/" + path));
      response.body = LocalHub::NewFile::share("Found. Redirecting to the storage");
      return response;
    }
    response.set("ETag", "\"" + stored.oid + "\"");
    if (hub.resolve_cache && !final) {
      response.status = 307;
      response.set("X-Linked-Etag", "\"" + stored.oid + "\"");
      response.set("X-Linked-Size", std::to_string(stored.size()));
      response.set("Location", "/api/resolve-cache/models/" + encoded(id) + "/" + commit + "/" + encoded(path));
      response.body = LocalHub::NewFile::share("Temporary Redirect");
      return response;
    }
    response.set("Content-Type", "text/plain; charset=utf-8");
    const bool packs = request.method == "GET" && hub.gzip && request.header("range").empty() &&
                       request.header("accept-encoding").find("gzip") != std::string::npos;
    if (packs) {
      response.set("Content-Encoding", "gzip");
      response.set("ETag", "W/\"" + stored.oid + "\"");
      response.body = LocalHub::NewFile::share(packed(*stored.bytes));
      response.chunked = true;
    } else {
      put_content(request, stored, response);
    }
    return response;
  }

  Response model(const std::string& rest) const {
    const std::string id = id_in(rest);
    if (std::optional<Response> response = moved(id)) return *response;
    std::string verb = rest.size() > id.size() ? rest.substr(id.size() + 1) : "";
    if (verb == "auth-check") {
      if (std::optional<Response> response = closed(id)) return *response;
      return json_response(Json::object());
    }
    if (std::optional<Response> response = hidden(id)) return *response;
    const HubRepo& repo = hub.repos_.at(id);
    if (verb == "refs") return refs(repo);
    const size_t slash = std::min(verb.find('/'), verb.size());
    std::string revision = slash < verb.size() ? verb.substr(slash + 1) : "main";
    verb.resize(slash);
    // A revision stands percent-encoded, slashes too, so in the raw target it is one part.
    std::string below;
    if (verb == "tree" || verb == "revision" || verb == "paths-info") {
      const size_t at = request.target.find("/" + verb + "/") + verb.size() + 2;
      const size_t end = std::min(request.target.find_first_of("/?", at), request.target.size());
      revision = url_decoded(request.target.substr(at, end - at));
      if (end < request.target.size() && request.target[end] == '/') {
        below = url_decoded(request.target.substr(end + 1, request.target.find('?', end) - end - 1));
      }
    }
    const std::string commit = commit_of(repo, revision);
    if (commit.empty()) return refusal(404, "RevisionNotFound", "Invalid rev id: " + revision);
    if (verb.empty() || verb == "revision") return info(id, commit);
    if (verb == "tree") return tree(repo, commit, below);
    if (verb == "paths-info") return paths_info(repo, commit);
    return refusal(404, "", "Not Found");
  }

  Response resolve(const std::string& rest, bool final) const {
    const std::string id = id_in(rest);
    if (std::optional<Response> response = moved(id)) return *response;
    const std::string raw = request.target.substr(0, request.target.find('?'));
    const std::string marker = final ? encoded(id) + "/" : "/resolve/";
    const size_t at = raw.find(marker) + marker.size();
    const size_t end = raw.find('/', at);
    if (end == std::string::npos) return refusal(404, "", "Not Found");
    return file(id, url_decoded(raw.substr(at, end - at)), url_decoded(raw.substr(end + 1)), final);
  }
};

Response LocalHub::storage(const Request& request) {
  // What the real one does with two ways to prove who one is.
  if (!request.header("authorization").empty()) return refusal(400, "", "Only one auth mechanism allowed");
  if (!is_signed(request)) {
    Response response;
    response.status = 403;
    response.text("<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>", "application/xml");
    return response;
  }
  if (request.method == "PUT") return UploadRoutes{*this, request}.store();
  const std::string oid = request.path.substr(5, 64);  // /lfs/OID/name
  const auto found = lfs_.find(oid);
  if (found == lfs_.end()) return refusal(404, "", "Not Found");
  Response response;
  response.set("ETag", "\"" + oid.substr(0, 32) + "\"");
  put_content(request, {found->second, true, oid}, response);
  return response;
}

Response LocalHub::handle(const Request& request) {
  const std::lock_guard lock(mutex_);
  if (request.host == Host::kStorage) return storage(request);
  const HubRoutes routes{*this, request, caller_of(request)};
  const std::string& path = request.path;
  Response response;
  if (path == "/api/whoami-v2") {
    response = routes.who_am_i();
  } else if (std::optional<Response> upload = (UploadRoutes{*this, request}).answer()) {
    response = *upload;
  } else if (path.starts_with("/api/resolve-cache/models/")) {
    response = routes.resolve(behind(path, "/api/resolve-cache/models/"), true);
  } else if (path == "/api/models") {
    response = routes.search();
  } else if (path.starts_with("/api/models/")) {
    response = routes.model(behind(path, "/api/models/"));
  } else if (path.find("/resolve/") != std::string::npos) {
    response = routes.resolve(behind(path, "/"), false);
  } else {
    response = refusal(404, "", "Not Found");
  }
  if (std::none_of(response.headers.begin(), response.headers.end(),
                   [](const auto& header) { return header.first == "X-Request-Id"; })) {
    response.set("X-Request-Id", "Root=1-local");
  }
  return response;
}

}  // namespace gptq::testing
