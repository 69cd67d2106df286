// Requests that write: create, preupload, the LFS protocol (basic and multipart), commits, pull requests.
#include <algorithm>
#include <optional>
#include <sstream>

#include <openssl/evp.h>

#include "core/json.h"
#include "tests/hub/local_hub_routes.h"

namespace gptq::testing {

namespace {

std::string base64_decoded(const std::string& text) {
  std::string out(text.size() / 4 * 3 + 3, '\0');
  const int size = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                   reinterpret_cast<const unsigned char*>(text.data()), static_cast<int>(text.size()));
  if (size < 0) throw std::runtime_error("not base64");
  out.resize(static_cast<size_t>(size) - static_cast<size_t>(std::count(text.begin(), text.end(), '=')));
  return out;
}

// "org/name" of /api/models/org/name/VERB/REVISION, and the revision, which stands percent-encoded.
bool split(const Request& request, const std::string& verb, std::string& id, std::string& revision) {
  const std::string raw = request.target.substr(0, request.target.find('?'));
  const std::string prefix = "/api/models/", marker = "/" + verb + "/";
  const size_t at = raw.find(marker);
  if (!raw.starts_with(prefix) || at == std::string::npos || at < prefix.size()) return false;
  id = raw.substr(prefix.size(), at - prefix.size());
  revision = url_decoded(raw.substr(at + marker.size()));
  return true;
}

}  // namespace

std::optional<Response> UploadRoutes::answer() const {
  const std::string& path = request.path;
  if (request.method != "POST") return std::nullopt;
  if (path == "/api/repos/create") return create_repo();
  if (path == "/api/validate-yaml") return validate_yaml();
  if (path == "/local/verify") return lfs_verify();
  if (path.starts_with("/local/complete/")) return complete_multipart();
  static const std::string kBatch = ".git/info/lfs/objects/batch";
  if (path.ends_with(kBatch)) return lfs_batch(path.substr(1, path.size() - 1 - kBatch.size()));
  std::string id, revision;
  if (split(request, "preupload", id, revision)) return preupload(id, revision);
  if (split(request, "commit", id, revision)) return commit(id, revision);
  if (split(request, "branch", id, revision)) return create_branch(id, revision);
  return std::nullopt;
}

std::optional<Response> UploadRoutes::may_not_write(const std::string& owner) const {
  const LocalHub::Caller caller = hub.caller_of(request);
  if (caller.wrong_token) return refusal(401, "", "Invalid credentials in Authorization header");
  if (caller.user == nullptr) return refusal(401, "", "Invalid username or password.");
  const auto& organizations = caller.user->organizations;
  if (owner != caller.user->name &&
      std::find(organizations.begin(), organizations.end(), owner) == organizations.end()) {
    return refusal(403, "", "You don't have the rights to create a model under the namespace \"" + owner + "\"");
  }
  if (caller.token->role == "read") {
    return refusal(403, "", "Forbidden: you must use a write token to upload to a repository.");
  }
  if (caller.token->role == "fineGrained" && !caller.token->can_write) {
    return refusal(403, "", "You don't have the required scope: repo.write");
  }
  return std::nullopt;
}

Response UploadRoutes::create_repo() const {
  const Json body = Json::parse(request.body);
  const LocalHub::Caller caller = hub.caller_of(request);
  std::string owner = body.contains("organization") && body["organization"].is_string()
                          ? body["organization"].get<std::string>()
                          : (caller.user == nullptr ? "" : caller.user->name);
  if (std::optional<Response> refused = may_not_write(owner)) return *refused;
  const std::string id = owner + "/" + body.at("name").get<std::string>();
  if (hub.repos_.count(id) > 0) {
    Response response = refusal(409, "", "You already created this model repo");
    response.text(Json{{"error", "You already created this model repo"}, {"url", hub.endpoint() + "/" + id}}.dump());
    return response;
  }
  const bool is_private = body.value("visibility", "") == "private" || body.value("private", false);
  HubRepo& repo = hub.repos_[id];
  repo.is_private = is_private;
  hub.commit(id, {{".gitattributes", "*.safetensors filter=lfs diff=lfs merge=lfs -text\n"}});
  return json_response({{"url", hub.endpoint() + "/" + id}, {"name", id}, {"id", id}, {"private", is_private}});
}

Response UploadRoutes::validate_yaml() const {
  const Json body = Json::parse(request.body);
  const std::string content = body.at("content");
  const size_t end = content.starts_with("---\n") ? content.find("\n---", 3) : std::string::npos;
  if (end == std::string::npos) {
    return json_response(
        {{"errors", Json::array()}, {"warnings", {{{"message", "empty or missing yaml metadata in repo card"}}}}});
  }
  const std::string block = content.substr(0, end);
  if (std::count(block.begin(), block.end(), '[') == std::count(block.begin(), block.end(), ']'))
    return json_response({{"errors", Json::array()}, {"warnings", Json::array()}});
  Response response = json_response({{"errors", {{{"message", "a list has no end"}}}}, {"warnings", Json::array()}});
  response.status = 400;
  return response;
}

Response UploadRoutes::preupload(const std::string& id, const std::string& revision) const {
  if (std::optional<Response> refused = may_not_write(id.substr(0, id.find('/')))) return *refused;
  if (hub.repos_.count(id) == 0) return refusal(404, "RepoNotFound", "Repository not found");
  const HubRepo& repo = hub.repos_.at(id);
  const std::string commit = commit_of(repo, revision);
  if (commit.empty()) return refusal(404, "RevisionNotFound", "Invalid rev id: " + revision);
  const Json body = Json::parse(request.body);
  if (body.at("files").size() > 256) return refusal(400, "", "too many files");
  Json files = Json::array();
  for (const Json& file : body.at("files")) {
    const std::string path = file.at("path");
    if (base64_decoded(file.at("sample").get<std::string>()).size() > 512)
      return refusal(400, "", "the sample is too long");
    const bool lfs = hub.decides_lfs(path, file.at("size").get<int64_t>());
    Json shown = {{"path", path}, {"uploadMode", lfs ? "lfs" : "regular"}, {"shouldIgnore", path == ".gitignore"}};
    const auto& tree = repo.commits.at(commit).files;
    if (const auto found = tree.find(path); found != tree.end()) shown["oid"] = found->second.oid;
    files.push_back(std::move(shown));
  }
  return json_response({{"files", std::move(files)}});
}

Response UploadRoutes::lfs_batch(const std::string& id) const {
  if (std::optional<Response> refused = may_not_write(id.substr(0, id.find('/')))) return *refused;
  if (request.header("content-type") != "application/vnd.git-lfs+json") return refusal(415, "", "wrong content type");
  const Json body = Json::parse(request.body);
  const auto& transfers = body.at("transfers");
  const bool parts_allowed = std::find(transfers.begin(), transfers.end(), "multipart") != transfers.end();
  Json objects = Json::array();
  bool multipart = false;
  for (const Json& object : body.at("objects")) {
    const std::string oid = object.at("oid");
    const int64_t size = object.at("size");
    Json shown = {{"oid", oid}, {"size", size}, {"authenticated", true}};
    if (hub.lfs_.count(oid) == 0) {
      Json upload = {{"href", hub.sign("PUT", "/lfs/" + oid)}, {"expires_in", 900}};
      if (parts_allowed && hub.multipart_from >= 0 && size >= hub.multipart_from) {
        multipart = true;
        Json header = {{"chunk_size", std::to_string(hub.part_size)}};
        const int64_t count = (size + hub.part_size - 1) / hub.part_size;
        for (int64_t i = 1; i <= count; ++i) {
          std::string number = std::to_string(i);
          number.insert(0, number.size() < 5 ? 5 - number.size() : 0, '0');
          header[number] = hub.sign("PUT", "/lfs/" + oid + "/part/" + std::to_string(i));
        }
        upload = {{"href", hub.endpoint() + "/local/complete/" + oid}, {"header", header}};
      }
      shown["actions"] = {{"upload", upload}};
      if (hub.verify_uploads) shown["actions"]["verify"] = {{"href", hub.endpoint() + "/local/verify"}};
    }
    objects.push_back(std::move(shown));
  }
  Response response = json_response({{"transfer", multipart ? "multipart" : "basic"}, {"objects", std::move(objects)}});
  response.set("Content-Type", "application/vnd.git-lfs+json");
  return response;
}

Response UploadRoutes::lfs_verify() const {
  const Json body = Json::parse(request.body);
  const auto found = hub.lfs_.find(body.at("oid").get<std::string>());
  if (found == hub.lfs_.end() || static_cast<int64_t>(found->second->size()) != body.at("size").get<int64_t>()) {
    return refusal(404, "", "the object is not there");
  }
  return json_response(Json::object());
}

Response UploadRoutes::store() const {
  const std::string oid = request.path.substr(5, 64);  // /lfs/OID or /lfs/OID/part/N
  Response response;
  response.set("ETag", "\"" + sha1_hex(request.body).substr(0, 32) + "\"");
  if (const size_t part = request.path.find("/part/"); part != std::string::npos) {
    hub.parts_[oid][std::stoi(request.path.substr(part + 6))] = request.body;
    return response;
  }
  if (sha256_hex(request.body) != oid) return refusal(400, "", "XAmzContentSHA256Mismatch");
  hub.lfs_[oid] = LocalHub::NewFile::share(request.body);
  return response;
}

Response UploadRoutes::complete_multipart() const {
  const Json body = Json::parse(request.body);
  const std::string oid = body.at("oid");
  const auto& parts = hub.parts_[oid];
  std::string whole;
  int expected = 0;
  for (const Json& part : body.at("parts")) {
    const int number = part.at("partNumber");
    const auto found = parts.find(number);
    if (number != ++expected || found == parts.end() ||
        part.at("etag").get<std::string>() != "\"" + sha1_hex(found->second).substr(0, 32) + "\"") {
      return refusal(400, "", "part " + std::to_string(number) + " is not what was stored");
    }
    whole += found->second;
  }
  if (sha256_hex(whole) != oid) return refusal(400, "", "the parts make another file");
  hub.lfs_[oid] = LocalHub::NewFile::share(std::move(whole));
  hub.parts_.erase(oid);
  return json_response(Json::object());
}

Response UploadRoutes::create_branch(const std::string& id, const std::string& branch) const {
  if (std::optional<Response> refused = may_not_write(id.substr(0, id.find('/')))) return *refused;
  HubRepo& repo = hub.repos_.at(id);
  if (repo.branches.count(branch) > 0) return refusal(409, "", "Reference already exists");
  repo.branches[branch] = repo.branches.at("main");
  return json_response(Json::object());
}

Response UploadRoutes::commit(const std::string& id, const std::string& revision) const {
  if (std::optional<Response> refused = may_not_write(id.substr(0, id.find('/')))) return *refused;
  if (hub.repos_.count(id) == 0) return refusal(404, "RepoNotFound", "Repository not found");
  HubRepo& repo = hub.repos_.at(id);
  const std::string parent = commit_of(repo, revision);
  if (parent.empty()) return refusal(404, "RevisionNotFound", "Invalid rev id: " + revision);
  if (request.header("content-type") != "application/x-ndjson") return refusal(415, "", "wrong content type");
  HubRepo::Tree files = repo.commits.at(parent).files;
  std::string message;
  std::istringstream lines(request.body);
  for (std::string line; std::getline(lines, line);) {
    const Json json = Json::parse(line);
    const std::string key = json.at("key");
    const Json& value = json.at("value");
    const std::string path = value.value("path", "");
    if (key == "header") {
      message = value.at("summary");
      if (value.contains("parentCommit") && value["parentCommit"].is_string() && value["parentCommit"] != parent) {
        return refusal(412, "", "A commit has happened since. Please refresh and try again.");
      }
    } else if (key == "file") {
      Bytes bytes = LocalHub::NewFile::share(base64_decoded(value.at("content").get<std::string>()));
      files[path] = {bytes, false, git_sha1_hex(*bytes)};
    } else if (key == "lfsFile") {
      const std::string oid = value.at("oid");
      if (hub.lfs_.count(oid) == 0) {
        return refusal(400, "", "LFS pointer pointed to a file that does not exist: " + path);
      }
      files[path] = {hub.lfs_.at(oid), true, oid};
    } else if (key == "deletedFile") {
      files.erase(path);
    } else {
      return refusal(400, "", "unknown operation " + key);
    }
  }
  const std::string commit = hub.store_commit(repo, parent, std::move(files), message);
  Json json = {
      {"success", true}, {"commitOid", commit}, {"commitUrl", hub.endpoint() + "/" + id + "/commit/" + commit}};
  if (request.query.count("create_pr") > 0) {
    const int number = static_cast<int>(repo.pull_requests.size()) + 1;
    repo.pull_requests[number] = commit;
    json["pullRequestUrl"] = hub.endpoint() + "/" + id + "/discussions/" + std::to_string(number);
  } else if (revision.starts_with("refs/pr/")) {
    repo.pull_requests[std::stoi(revision.substr(8))] = commit;
  } else {
    repo.branches[revision] = commit;
  }
  return json_response(json);
}

}  // namespace gptq::testing
