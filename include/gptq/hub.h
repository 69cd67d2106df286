// The Hugging Face Hub: logins, downloads into the cache shared with huggingface_hub, uploads, cache management.
//
// Protocol, environment variables (HF_TOKEN, HF_HOME, HF_HUB_CACHE, HF_ENDPOINT, HF_HUB_OFFLINE ...) and the layout of
// the cache are those of the huggingface_hub library. The environment is read at each call.
//
// Errors. Each function documents the kinds of Error it throws. In all of them:
//   kUsage         an invalid model name, revision, option or environment variable
//   kNotFound      no such repository, revision, file, login or cached model
//   kPermission    gated or private, an invalid token, a token without the required permission, an unwritable folder
//   kNetwork       no connection, a server error, the rate limit, or a response that is not from a Hub
//   kVerification  content with the wrong hash, or a malformed response
//   kGeneral       any other failure of the file system, for example a full disk
//   kInterrupted   the progress callback returned false
//
// Threads. Every function may be called from any thread. Concurrent downloads of the same file wait for each other,
// also across processes.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace gptq {

// ---- downloads

// Progress of a transfer. Sizes are in bytes.
struct TransferProgress {
  std::string file;  // the file that made progress last
  int64_t bytes_done = 0, bytes_total = 0;
  int files_done = 0, files_total = 0;
};

// Receives progress a few times per second, from worker threads but never from two at a time. Return false to cancel:
// the function then throws Error(kInterrupted), and the partial transfer can be resumed by calling it again. An
// exception thrown here also cancels the transfer and is rethrown to the caller.
using TransferSink = std::function<bool(const TransferProgress&)>;

struct PullOptions {
  std::string revision;   // branch, tag, refs/pr/N or commit; "": the one in the model's name after @, else main
  std::string token;      // "": HF_TOKEN, else the stored login
  std::string local_dir;  // download into this folder; "": into the shared cache
  std::string cache_dir;  // folder of the shared cache; "": HF_HUB_CACHE, else HF_HOME/hub
  bool local_files_only = false;  // use only what is already present, as with HF_HUB_OFFLINE
  std::vector<std::string> include,
      exclude;  // shell globs; * also matches /. No `include`: the files of a language model (docs/hub.md)
  // Called with the text of config.json before any weights are listed or downloaded, on the calling thread. An
  // exception thrown here ends the pull; when `include` is given, it only becomes a warning. Not called when
  // weights are excluded.
  std::function<void(const std::string& config)> check_config;
  bool dry_run = false;         // list the files, download nothing
  bool force_download = false;  // download files again that are already present
  int max_workers = 8;          // parallel connections
};

struct PulledFile {
  std::string path;     // in the repository
  int64_t size = 0;     // bytes
  bool cached = false;  // was already present and complete
};

struct PullResult {
  std::string folder;  // .../snapshots/COMMIT of the cache, or local_dir
  std::string commit;  // 40 hexadecimal digits
  std::vector<PulledFile> files;
  int64_t bytes_total = 0, bytes_fetched = 0;
};

// Downloads a model: "org/name" or "org/name@revision". A file appears in the folder under its name only when it is
// complete and its hash is verified. Calls `on_progress` from worker threads (see TransferSink).
// Throws Error of every kind listed above.
PullResult pull(const std::string& model, const PullOptions& options, const TransferSink& on_progress = {});

// True when `model` is a valid name of a model on the Hub and no folder of that name exists. Does not use the network.
bool is_hub_model(const std::string& model);

// ---- logins

struct Identity {
  std::string name, full_name;
  std::vector<std::string> organizations;
  std::string token_name, token_role;    // role: "read", "write", "fineGrained"
  std::vector<std::string> permissions;  // of a fine-grained token: "repo.write (org)"
  bool reads_gated = true;               // false: a fine-grained token that cannot read gated repositories
  std::string token_source;              // "HF_TOKEN" or the path of a file
};

struct StoredLogin {
  std::string name;      // of the token
  std::string redacted;  // "hf_…abcd"
  bool active = false;
};

// Validates the token with the Hub, stores it under `token_name` ("": the name it has on the Hub) in a file of mode
// 0600 and makes it the active login. Throws Error(kUsage | kPermission | kNetwork | kGeneral).
Identity log_in(const std::string& token, const std::string& token_name = "");

// The account of `token` ("": HF_TOKEN, else the stored login). Throws Error(kPermission | kNetwork).
Identity who_am_i(const std::string& token = "");

// The logins stored on this machine. Throws Error(kPermission | kVerification) when their file cannot be read.
std::vector<StoredLogin> stored_logins();

// Makes a stored login the active one. Throws Error(kNotFound), listing the stored ones, and Error(kPermission |
// kVerification | kGeneral) when the files cannot be read or written.
void switch_login(const std::string& token_name);

// Removes a stored login; "" removes all of them. Throws as switch_login() does.
void log_out(const std::string& token_name = "");

// Configuration of Hub access on this machine, without accessing the network.
struct HubState {
  std::string endpoint;      // URL
  std::string cache;         // folder
  std::string token_source;  // "HF_TOKEN" or the path of a file; "" without a token
  bool offline = false;
};

// Throws Error(kUsage) for an invalid HF_ENDPOINT or timeout variable.
HubState hub_state();

// ---- uploads

struct PushOptions {
  std::string token;                               // "": HF_TOKEN, else the stored login
  std::string revision;                            // branch, created if missing, or refs/pr/N; "": main
  std::string message = "Upload model with gptq";  // title of the commit
  bool private_repo = false;                       // create the repository as a private one
  bool create_pr = false;                          // open a pull request instead of committing
  bool write_card =
      true;  // write a README.md from the quantization record, unless the folder or the repository has one
  std::string base_model;  // for the card, "org/name"; "": from the quantization record
  // For the card: files with the output of `gptq perplexity --json` for the original and for this folder. Both or none.
  std::string perplexity_before, perplexity_after;
  int max_workers = 4;  // parallel connections
};

struct PushResult {
  std::string url;     // of the commit or the pull request
  std::string commit;  // 40 hexadecimal digits
  int64_t bytes_total = 0, bytes_sent = 0;
  std::vector<std::string> notes;  // sentences for the user
};

// Uploads the folder of a model, or of a tokenizer alone, to "org/name" ("name": in the account of the token), creating
// the repository if it is missing. All files are sent before the one commit: an interrupted upload leaves the
// repository unchanged, and another call sends only what is missing. Calls `on_progress` from worker threads (see
// TransferSink). Throws Error of every kind listed above.
PushResult push(const std::string& folder, const std::string& repo, const PushOptions& options,
                const TransferSink& on_progress = {});

// ---- the cache

struct CachedRevision {
  std::string commit;             // 40 hexadecimal digits
  std::vector<std::string> refs;  // branches and tags that point to it
  std::string folder;             // its snapshot
  int files = 0;
  int64_t bytes = 0;
};

struct CachedModel {
  std::string id;      // "org/name"
  std::string folder;  // its folder in the cache
  int64_t bytes = 0;   // of all revisions; shared files are counted once
  std::vector<CachedRevision> revisions;
};

struct CacheFault {
  std::string path;
  std::string what;  // what is wrong with it
};

// All models in the cache; unreadable folders count as empty. Throws Error(kUsage) as hub_state() does.
std::vector<CachedModel> cached_models();

// Removes "org/name" or "org/name@revision" and returns the number of bytes freed. Files that other revisions use are
// kept. Throws Error(kUsage | kNotFound | kPermission | kGeneral).
int64_t remove_cached(const std::string& model);

// Hashes every cached file of "org/name" ("": of all models) and checks the links of the snapshots. Calls `on_progress`
// on the calling thread. Throws Error(kUsage | kNotFound | kPermission | kGeneral | kInterrupted).
std::vector<CacheFault> verify_cached(const std::string& model, const TransferSink& on_progress = {});

}  // namespace gptq
