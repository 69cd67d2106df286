// The Hugging Face Hub: logging in, downloads into the cache that huggingface_hub shares, uploads.
//
// Protocol and places are those of the huggingface_hub library: its environment variables (HF_TOKEN, HF_HOME,
// HF_HUB_CACHE, HF_ENDPOINT, HF_HUB_OFFLINE and the rest) and its "Hub local cache" layout. Every function throws
// Error: kUsage (a name or option that cannot be), kNotFound (model, revision or file), kPermission (gated, private, a
// token that is wrong or lacks a right), kNetwork (the connection, the server), kVerification (bytes with another
// hash), kGeneral (disk), kInterrupted.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace gptq {

// ---- downloads

// How far a transfer is. Called from one thread at a time, a few times a second.
struct TransferProgress {
  std::string file;  // the one that moved last
  int64_t bytes_done = 0, bytes_total = 0;
  int files_done = 0, files_total = 0;
};
using TransferSink = std::function<bool(const TransferProgress&)>;  // false: stop; what is there can be resumed

struct PullOptions {
  std::string revision;   // branch, tag, refs/pr/N or commit; "" is what the model's name says behind @, else main
  std::string token;      // "": HF_TOKEN, else the login of this machine
  std::string local_dir;  // real files in this folder instead of the cache
  std::vector<std::string> include, exclude;  // shell globs in which * also crosses /; "": what a language model needs
  // Gets the text of config.json before any weights are fetched or listed; what it throws ends the pull. With `include`
  // the files were asked for by name, and it becomes a warning. Not asked when weights are excluded.
  std::function<void(const std::string& config)> check_config;
  bool dry_run = false;         // list, fetch nothing
  bool force_download = false;  // fetch also what is there
  int max_workers = 8;
};

struct PulledFile {
  std::string path;  // in the repository
  int64_t size = 0;
  bool cached = false;  // was there already, complete
};

struct PullResult {
  std::string folder;  // .../snapshots/COMMIT, or local_dir
  std::string commit;  // 40 hexadecimal digits
  std::vector<PulledFile> files;
  int64_t bytes_total = 0, bytes_fetched = 0;
};

// "org/name" or "org/name@revision". Files are complete and verified when their names appear in the folder.
PullResult pull(const std::string& model, const PullOptions& options, const TransferSink& on_progress = {});

// True when `model` names a model on the Hub rather than a folder: no such folder exists and the name could be one.
bool is_hub_model(const std::string& model);

// ---- logins

struct Identity {
  std::string name, full_name;
  std::vector<std::string> organizations;
  std::string token_name, token_role;    // role: "read", "write", "fineGrained"
  std::vector<std::string> permissions;  // of a fine-grained token: "repo.write (org)"
  bool reads_gated = true;               // false: a fine-grained token without that right
  std::string token_source;              // "HF_TOKEN", a file's path
};

struct StoredLogin {
  std::string name;      // of the token
  std::string redacted;  // "hf_…abcd"
  bool active = false;
};

Identity log_in(const std::string& token, const std::string& token_name = "");  // asks the Hub, then stores, mode 0600
Identity who_am_i(const std::string& token = "");
std::vector<StoredLogin> stored_logins();
void switch_login(const std::string& token_name);
void log_out(const std::string& token_name = "");  // "": all of them

// Where this machine stands with the Hub, without asking it.
struct HubState {
  std::string endpoint;
  std::string cache;         // folder
  std::string token_source;  // "HF_TOKEN", a file's path; empty without a token
  bool offline = false;
};
HubState hub_state();

// ---- uploads

struct PushOptions {
  std::string token;
  std::string revision;  // branch, made when missing, or refs/pr/N; "": main
  std::string message = "Upload model with gptq";
  bool private_repo = false;
  bool create_pr = false;
  bool write_card = true;  // README.md from what the quantization left, where folder and repository have none
  std::string base_model;  // for the card, "org/name"; "": what the quantization noted
  // For the card: what `gptq perplexity --json` printed for the original and for this folder, as files.
  std::string perplexity_before, perplexity_after;
  int max_workers = 4;
};

struct PushResult {
  std::string url;  // of the commit or the pull request
  std::string commit;
  int64_t bytes_total = 0, bytes_sent = 0;
  std::vector<std::string> notes;
};

// Data first, the commit last: a broken upload leaves no half model, and a second try sends only what is missing.
PushResult push(const std::string& folder, const std::string& repo, const PushOptions& options,
                const TransferSink& on_progress = {});

// ---- the cache

struct CachedRevision {
  std::string commit;
  std::vector<std::string> refs;
  std::string folder;
  int files = 0;
  int64_t bytes = 0;
};

struct CachedModel {
  std::string id;
  std::string folder;
  int64_t bytes = 0;  // of the blobs, each counted once
  std::vector<CachedRevision> revisions;
};

struct CacheFault {
  std::string path;
  std::string what;
};

std::vector<CachedModel> cached_models();
int64_t remove_cached(const std::string& model);  // "org/name[@revision]"; gives the bytes that became free
std::vector<CacheFault> verify_cached(const std::string& model, const TransferSink& on_progress = {});  // "": all

}  // namespace gptq
