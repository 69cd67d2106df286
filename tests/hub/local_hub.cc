// The Hub's state: repositories, users, signed URLs.
#include "tests/hub/local_hub.h"

#include <openssl/evp.h>

#include <algorithm>
#include <cctype>
#include <filesystem>

#include "core/file.h"
#include "core/json.h"
#include "tests/hub/local_hub_routes.h"

namespace gptq::testing {

namespace {

std::string digest(const EVP_MD* kind, std::initializer_list<std::string_view> parts) {
  const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  EVP_DigestInit_ex(context.get(), kind, nullptr);
  for (const std::string_view part : parts) EVP_DigestUpdate(context.get(), part.data(), part.size());
  unsigned char bytes[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  EVP_DigestFinal_ex(context.get(), bytes, &size);
  std::string hex;
  for (unsigned i = 0; i < size; ++i) {
    static constexpr char kDigits[] = "0123456789abcdef";
    hex += kDigits[bytes[i] >> 4], hex += kDigits[bytes[i] & 15];
  }
  return hex;
}

}  // namespace

std::string sha1_hex(const std::string& bytes) { return digest(EVP_sha1(), {bytes}); }

std::string git_sha1_hex(const std::string& bytes) {
  const std::string head = "blob " + std::to_string(bytes.size());
  return digest(EVP_sha1(), {std::string_view(head.c_str(), head.size() + 1), bytes});
}

std::string sha256_hex(const std::string& bytes) { return digest(EVP_sha256(), {bytes}); }

Response refusal(int status, const std::string& code, const std::string& message) {
  Response response;
  response.status = status;
  if (!code.empty()) response.set("X-Error-Code", code);
  response.set("X-Error-Message", message);
  response.text(Json{{"error", message}}.dump());
  return response;
}

Response json_response(const Json& json) {
  Response response;
  response.text(json.dump());
  return response;
}

LocalHub::LocalHub() {
  server_ = std::make_unique<HttpServer>([this](const Request& request) { return handle(request); });
}

void LocalHub::add_user(const HubUser& user) {
  const std::lock_guard lock(mutex_);
  users_.push_back(std::make_unique<HubUser>(user));
}

bool LocalHub::decides_lfs(const std::string& path, int64_t size) const {
  if (size == 0) return false;
  for (const char* ending : {".safetensors", ".bin", ".model", ".gguf", ".pth", ".pt"}) {
    if (path.ends_with(ending)) return true;
  }
  return size >= lfs_from;
}

std::string LocalHub::store_commit(HubRepo& repo, const std::string& parent, HubRepo::Tree files,
                                   const std::string& message) {
  std::string content = parent + "\n" + message + "\n";
  for (const auto& [path, file] : files) content += path + " " + file.oid + "\n";
  const std::string commit = sha1_hex(content);
  repo.commits[commit] = {parent, message, std::move(files)};
  return commit;
}

std::string LocalHub::commit(const std::string& id, const std::vector<NewFile>& files, const std::string& branch) {
  const std::lock_guard lock(mutex_);
  HubRepo& repo = repos_[id];
  const std::string parent = repo.branches.count(branch) > 0 ? repo.branches[branch] : "";
  HubRepo::Tree tree = parent.empty() ? HubRepo::Tree{} : repo.commits[parent].files;
  for (const NewFile& file : files) {
    const bool lfs = file.decided ? file.lfs : decides_lfs(file.path, static_cast<int64_t>(file.bytes->size()));
    HubFile stored{file.bytes, lfs, lfs ? sha256_hex(*file.bytes) : git_sha1_hex(*file.bytes)};
    if (lfs) lfs_[stored.oid] = file.bytes;
    tree[file.path] = std::move(stored);
  }
  return repo.branches[branch] = store_commit(repo, parent, std::move(tree), "commit");
}

std::string LocalHub::commit_folder(const std::string& id, const std::string& folder) {
  namespace fs = std::filesystem;
  std::vector<NewFile> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    files.emplace_back(fs::relative(entry.path(), folder).string(), read_file(entry.path()));
  }
  return commit(id, files);
}

void LocalHub::edit(const std::string& id, const std::function<void(HubRepo&)>& change) {
  const std::lock_guard lock(mutex_);
  change(repos_[id]);
}

HubRepo LocalHub::repo(const std::string& id) const {
  const std::lock_guard lock(mutex_);
  return repos_.at(id);
}

bool LocalHub::has(const std::string& id) const {
  const std::lock_guard lock(mutex_);
  return repos_.count(id) > 0;
}

std::string LocalHub::content(const std::string& id, const std::string& path, const std::string& revision) const {
  const std::lock_guard lock(mutex_);
  const HubRepo& repo = repos_.at(id);
  return *repo.commits.at(commit_of(repo, revision)).files.at(path).bytes;
}

void LocalHub::rename(const std::string& from, const std::string& to) {
  const std::lock_guard lock(mutex_);
  repos_[to] = std::move(repos_.at(from));
  repos_.erase(from);
  renamed_[from] = to;
}

void LocalHub::expire_urls() {
  const std::lock_guard lock(mutex_);
  ++epoch_;
}

// ---- signed URLs: what a verb may do with a path of the storage, until the epoch ends

std::string LocalHub::sign(const std::string& verb, const std::string& path) const {
  const std::string epoch = std::to_string(epoch_);
  const std::string signature = sha1_hex(verb + path + epoch + "secret").substr(0, 16);
  return server_->url(Host::kStorage) + encoded(path) + "?X-Amz-Expires=3600&epoch=" + epoch +
         "&signature=" + signature;
}

bool LocalHub::is_signed(const Request& request) const {
  const auto value = [&](const char* key) {
    const auto found = request.query.find(key);
    return found == request.query.end() ? std::string() : found->second;
  };
  const std::string verb = request.method == "HEAD" ? "GET" : request.method;
  return value("epoch") == std::to_string(epoch_) &&
         value("signature") == sha1_hex(verb + request.path + value("epoch") + "secret").substr(0, 16);
}

// ---- who asks

LocalHub::Caller LocalHub::caller_of(const Request& request) const {
  const std::string header = request.header("authorization");
  if (header.empty()) return {};
  for (const auto& user : users_) {
    for (const HubToken& token : user->tokens) {
      if (header == "Bearer " + token.value) return {user.get(), &token, false};
    }
  }
  return {nullptr, nullptr, true};
}

std::string commit_of(const HubRepo& repo, const std::string& revision) {
  if (repo.commits.count(revision) > 0) return revision;
  for (const auto* names : {&repo.branches, &repo.tags}) {
    if (const auto found = names->find(revision); found != names->end()) return found->second;
  }
  if (revision.starts_with("refs/pr/")) {
    for (const auto& [number, commit] : repo.pull_requests) {
      if (revision == "refs/pr/" + std::to_string(number)) return commit;
    }
  }
  return "";
}

std::string encoded(const std::string& path) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : path) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) != 0 || std::string_view("-._~/").find(c) != std::string_view::npos) {
      out += c;
    } else {
      out += '%', out += kDigits[byte >> 4], out += kDigits[byte & 15];
    }
  }
  return out;
}

}  // namespace gptq::testing
