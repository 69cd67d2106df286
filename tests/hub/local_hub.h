// A Hugging Face Hub in memory, on loopback: what the tests of src/hub talk to.
//
//   LocalHub hub;
//   hub.add_user({.name = "ann", .tokens = {{"hf_ann", "laptop", "write"}}});
//   const std::string commit = hub.commit("org/tiny", {{"config.json", "{}"}, {"model.safetensors", bytes}});
//   hub.server().add_fault(Fault::cut("model.safetensors", 1000).on(Host::kStorage));
//   setenv("HF_ENDPOINT", hub.endpoint().c_str(), 1);
//
// Paths of storage requests end in "/" and the name of the file, so that faults find them.
#pragma once

#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "core/json.h"
#include "tests/hub/http_server.h"

namespace gptq::testing {

using Bytes = std::shared_ptr<const std::string>;

std::string sha1_hex(const std::string& bytes);
std::string git_sha1_hex(const std::string& bytes);  // of a blob: SHA-1 of "blob SIZE\0" and the bytes
std::string sha256_hex(const std::string& bytes);

struct HubToken {
  std::string value = {};
  std::string name = "token";
  std::string role = "read";    // "read", "write", "fineGrained"
  bool can_read_gated = false;  // fine-grained: "access to public gated repositories"
  bool can_write = false;       // fine-grained
};

struct HubUser {
  std::string name = {};
  std::string full_name = {};
  std::vector<std::string> organizations = {};  // may write there too
  std::vector<HubToken> tokens = {};
};

// As a listing shows it; what hostile listings say may differ from what is there.
struct HubFile {
  Bytes bytes;
  bool lfs = false;
  std::string oid;  // sha256 for LFS, else git's sha1
  int64_t size() const { return static_cast<int64_t>(bytes->size()); }
};

struct HubRepo {
  using Tree = std::map<std::string, HubFile>;
  struct Commit {
    std::string parent, message;
    Tree files;
  };

  bool is_private = false;
  bool disabled = false;
  std::string gated;                                  // "", "auto", "manual"
  std::set<std::string> accepted;                     // users who may read it though it is gated
  std::set<std::string> awaiting;                     // users who asked
  std::map<std::string, std::string> branches, tags;  // name -> commit
  std::map<int, std::string> pull_requests;           // refs/pr/N -> commit
  std::map<std::string, Commit> commits;
  Json card = Json::object();  // cardData
};

class LocalHub {
 public:
  // A file's content and, unless its name and size decide, whether it lies in LFS.
  struct NewFile {
    NewFile(std::string file_path, std::string content)
        : path(std::move(file_path)), bytes(share(std::move(content))) {}
    NewFile(std::string file_path, Bytes content, bool in_lfs)
        : path(std::move(file_path)), bytes(std::move(content)), lfs(in_lfs), decided(true) {}
    static Bytes share(std::string content) { return std::make_shared<const std::string>(std::move(content)); }
    std::string path;
    Bytes bytes;
    bool lfs = false, decided = false;
  };

  LocalHub();
  HttpServer& server() { return *server_; }
  std::string endpoint() const { return server_->url(Host::kHub); }

  // ---- what is there
  void add_user(const HubUser& user);
  // Adds the files to what the branch has (made when missing) and gives the commit, which the content determines.
  std::string commit(const std::string& id, const std::vector<NewFile>& files, const std::string& branch = "main");
  std::string commit_folder(const std::string& id, const std::string& folder);  // what lies there, on main
  // For everything else: gated, private, tags, pull requests. The repository is made when missing.
  void edit(const std::string& id, const std::function<void(HubRepo&)>& change);
  HubRepo repo(const std::string& id) const;  // a copy; throws when missing
  bool has(const std::string& id) const;
  std::string content(const std::string& id, const std::string& path, const std::string& revision = "main") const;
  void rename(const std::string& from, const std::string& to);  // the old name redirects, relatively
  void expire_urls();                                           // signed URLs that were given until now get 403

  // ---- how it behaves; set before the requests
  std::atomic<int> tree_page = 1000;         // entries on a page of a listing
  std::atomic<int64_t> lfs_from = 10 << 20;  // files this large lie in LFS; *.safetensors, *.bin, *.model always
  std::atomic<int64_t> multipart_from = -1;  // LFS uploads this large come in parts; -1: none
  std::atomic<int64_t> part_size = 5 << 20;
  std::atomic<bool> gzip = true;            // small files, for those who accept it
  std::atomic<bool> verify_uploads = true;  // LFS uploads have a verify action
  std::atomic<bool> resolve_cache = true;   // small files redirect to /api/resolve-cache, relatively

 private:
  friend struct HubRoutes;
  friend struct UploadRoutes;
  struct Caller {
    const HubUser* user = nullptr;
    const HubToken* token = nullptr;
    bool wrong_token = false;
  };

  Response handle(const Request& request);
  Response storage(const Request& request);
  Caller caller_of(const Request& request) const;
  bool decides_lfs(const std::string& path, int64_t size) const;
  std::string sign(const std::string& verb, const std::string& path) const;
  bool is_signed(const Request& request) const;
  std::string store_commit(HubRepo& repo, const std::string& parent, HubRepo::Tree files, const std::string& message);

  mutable std::recursive_mutex mutex_;  // guards all below
  std::map<std::string, HubRepo> repos_;
  std::map<std::string, std::string> renamed_;
  std::vector<std::unique_ptr<HubUser>> users_;
  std::map<std::string, Bytes> lfs_;  // sha256 -> content; what pushes stored and what commits brought
  std::map<std::string, std::map<int, std::string>> parts_;  // of multipart uploads: sha256 -> part -> bytes
  int epoch_ = 0;                                            // of signed URLs
  std::unique_ptr<HttpServer> server_;                       // last: its threads end first
};

}  // namespace gptq::testing
