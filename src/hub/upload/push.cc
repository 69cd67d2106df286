// Uploads a model folder as one commit: data first, the commit last.
#include "hub/upload/push.h"

#include <algorithm>

#include "core/json.h"
#include "core/log.h"
#include "core/model_files.h"
#include "hub/auth/whoami.h"
#include "hub/http/reply.h"
#include "hub/http/session.h"
#include "hub/http/transfer_monitor.h"
#include "hub/http/workers.h"
#include "hub/repository/digest.h"
#include "hub/repository/names.h"
#include "hub/repository/repository.h"
#include "hub/upload/commit.h"
#include "hub/upload/lfs.h"
#include "hub/upload/model_card.h"

namespace gptq::hub {

namespace {

constexpr const char* kCard = "README.md";
constexpr size_t kMaxPushFiles = 10'000;

// The files of `folder`, without hidden ones (.git, .env, .cache and others may hold private data) except
// .gitattributes; `hidden` receives the names of those. Links that lead out of the folder are rejected.
std::vector<UploadFile> files_of(const fs::path& folder, std::vector<std::string>& hidden) {
  std::error_code error;
  if (!fs::is_directory(folder, error)) {
    throw Error(ErrorKind::kNotFound, "uploading " + folder.string() + ": there is no such folder");
  }
  const bool tokenizer = fs::is_regular_file(folder / "tokenizer_config.json", error);
  if (!tokenizer && !fs::is_regular_file(folder / "config.json", error)) {
    throw Error(ErrorKind::kUsage, "uploading " + folder.string() +
                                       ": it has no config.json; expected a model folder in Hugging Face layout");
  }
  std::vector<UploadFile> files;
  for (auto at = fs::recursive_directory_iterator(folder); at != fs::recursive_directory_iterator(); ++at) {
    const std::string name = at->path().filename().string();
    if (name.starts_with('.') && name != ".gitattributes") {
      if (at->is_directory()) at.disable_recursion_pending();
      if (name != ".git" && name != ".cache" && name != ".DS_Store") hidden.push_back(name);
      continue;
    }
    if (!at->is_regular_file()) continue;
    if (!stays_in_model_folder(folder, at->path())) {
      throw Error(ErrorKind::kPermission, "uploading " + at->path().string() + ": it is a link to " +
                                              fs::weakly_canonical(at->path()).string() +
                                              ", outside of the folder; remove it, or put a copy of the file there");
    }
    UploadFile file;
    file.path = at->path().lexically_relative(folder).generic_string();
    file.place = at->path();
    file.size = static_cast<int64_t>(at->file_size());
    check_repo_path(file.path, "uploading " + folder.string());
    files.push_back(std::move(file));
    if (files.size() > kMaxPushFiles) {
      throw Error(ErrorKind::kUsage, "uploading " + folder.string() + ": it has more than " +
                                         std::to_string(kMaxPushFiles) + " files; is it a model folder?");
    }
  }
  std::sort(files.begin(), files.end(), [](const UploadFile& a, const UploadFile& b) { return a.path < b.path; });
  return files;
}

// The account of the token: the owner of a repository given without one.
std::string user_name(const Session& session, HttpClient& client, const std::string& doing) {
  HttpRequest request;
  request.url = session.settings.endpoint + "/api/whoami-v2";
  const HttpResponse response = request_with_retries(session, client, request);
  if (!response.ok()) throw explain(response, {doing, "", "", ""}, session.settings, session.token);
  return parse_identity(response.body, "the answer of " + request.url).name;
}

class Push {
 public:
  Push(Session session, const fs::path& folder, const CommitTarget& target, const PushOptions& options,
       const TransferSink& on_progress)
      : session_(std::move(session)),
        folder_(folder),
        target_(target),
        options_(options),
        monitor_(on_progress),
        client_(session_.settings) {
    session_.should_continue = [this] { return monitor_.should_continue(); };
  }

  PushResult run() {
    std::vector<std::string> hidden;
    files_ = files_of(folder_, hidden);
    if (!hidden.empty()) {
      result_.notes.push_back("hidden files are not uploaded: " + hidden.front() +
                              (hidden.size() > 1 ? " and " + std::to_string(hidden.size() - 1) + " more" : ""));
    }
    find_target();
    const std::string card = own_card();
    open_repository();
    preupload(session_, client_, target_, files_);
    keep_existing_readme(card);
    compute_oids();
    std::vector<const UploadFile*> changed;
    std::vector<LfsObject> large;
    for (const UploadFile& file : files_) {
      if (file.ignored || file.remote_oid == file.oid) continue;
      changed.push_back(&file);
      if (file.lfs) large.push_back({file.path, file.place, file.size, file.oid});
    }
    count(changed);
    if (changed.empty()) {
      result_.notes.push_back("nothing to upload: the repository is up to date");
      result_.commit = there_ ? there_->commit : "";
      result_.url = session_.settings.endpoint + "/" + target_.id;
      return result_;
    }
    result_.bytes_sent = upload_objects(session_, monitor_, target_.id, target_.revision, large, options_.max_workers);
    session_.throw_if_stopped();
    const CommitReply reply = commit(session_, client_, target_, changed);
    for (const UploadFile* file : changed) {
      if (file->lfs) continue;
      result_.bytes_sent += file->size;
      monitor_.add(file->path, file->size);
      monitor_.finish_file(file->path);
    }
    result_.commit = reply.commit;
    result_.url = reply.url;
    return result_;
  }

 private:
  // Adds the model card to the files after the Hub has validated it, as huggingface_hub does before an upload.
  std::string own_card() {
    const auto found =
        std::find_if(files_.begin(), files_.end(), [](const UploadFile& file) { return file.path == kCard; });
    std::string card;
    if (has_quantization_record(folder_)) {
      record_ = read_quantization_record(folder_);
      if (!options_.base_model.empty() && options_.base_model != record_.origin.id) {
        record_.origin.id = options_.base_model;
        record_.origin.commit.clear();
      }
      if (found == files_.end() && options_.write_card) card = write_card();
    } else {
      record_.origin.id = options_.base_model;
      if (found == files_.end() && options_.write_card)
        result_.notes.push_back("no README.md was written: the folder has no quantize_config.json to write it from");
    }
    if (!card.empty()) {
      UploadFile file;
      file.path = kCard;
      file.content = card;
      file.size = static_cast<int64_t>(card.size());
      files_.push_back(std::move(file));
    } else if (found != files_.end()) {
      card = read_file(found->place);
    }
    if (!card.empty()) check_card(card);
    return card;
  }

  std::string write_card() {
    CardFacts facts;
    facts.id = target_.id;
    facts.endpoint = session_.settings.endpoint;
    facts.record = record_;
    for (const UploadFile& file : files_) {
      if (file.path.ends_with(".safetensors")) facts.weight_bytes += file.size;
    }
    if (!options_.perplexity_before.empty() && !options_.perplexity_after.empty())
      facts.perplexities = read_perplexities(options_.perplexity_before, options_.perplexity_after);
    if (record_.origin.id.empty())
      result_.notes.push_back("the model card has no base model: none is recorded; set it with --base-model");
    if (record_.origin.license.empty())
      result_.notes.push_back("the model card has no licence: the base model's README.md is missing or names none");
    return model_card(facts);
  }

  void check_card(const std::string& card) {
    HttpRequest request;
    request.method = "POST";
    request.url = session_.settings.endpoint + "/api/validate-yaml";
    request.headers = {"Content-Type: application/json"};
    request.body = Json{{"content", card}, {"repoType", "model"}}.dump(-1, ' ', false, Json::error_handler_t::replace);
    const HttpResponse response = request_with_retries(session_, client_, request);
    const Json json = reply_or_null(response.body);
    const auto messages = [&](const char* key) {
      std::string text;
      if (!json.is_object() || !json.contains(key) || !json[key].is_array()) return text;
      for (const Json& entry : json[key]) {
        if (entry.is_object() && entry.contains("message") && entry["message"].is_string())
          text += (text.empty() ? "" : "; ") + entry["message"].get<std::string>();
      }
      return printable(text);
    };
    if (const std::string warnings = messages("warnings"); !warnings.empty())
      result_.notes.push_back("the Hub about README.md: " + warnings);
    if (response.ok()) return;
    if (const std::string errors = messages("errors"); response.status == 400 && !errors.empty()) {
      throw Error(ErrorKind::kVerification, "uploading " + (folder_ / kCard).string() +
                                                ": the Hub rejects its metadata block (" + errors +
                                                "); fix the YAML between the `---` lines");
    }
    throw explain(response, {"checking README.md for " + target_.id, "", "", ""}, session_.settings, session_.token);
  }

  // The repository under the given name. Only read requests follow a renamed repository, so all others use
  // its new name.
  void find_target() {
    std::string code;
    there_ = find_repository(session_, client_, target_.id, target_.revision, &code);
    has_revision_ = there_.has_value();
    if (code == "RevisionNotFound") there_ = find_repository(session_, client_, target_.id, "main");
    if (!there_ || there_->id == target_.id) return;
    result_.notes.push_back(target_.id + " is called " + there_->id + " now");
    target_.id = there_->id;
  }

  // Creates the repository and the branch if they are missing, and warns about visibility.
  void open_repository() {
    if (there_ && options_.private_repo && !there_->is_private)
      result_.notes.push_back(target_.id + " exists and is public; --private does not change that");
    if (!(there_ ? there_->is_private : options_.private_repo)) warn_of_gated_base();
    if (!there_) {
      create_repository(session_, client_, target_.id, options_.private_repo);
      has_revision_ = target_.revision == "main";
    }
    if (!has_revision_) create_branch(session_, client_, target_.id, target_.revision);
  }

  void warn_of_gated_base() {
    const std::string& base = record_.origin.id;
    if (!is_repo_id(base)) return;
    std::optional<RepositoryInfo> info;
    try {
      info = find_repository(session_, client_, base, "main");
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::kInterrupted) throw;
      result_.notes.push_back("whether " + base + " is gated could not be determined: " + error.what());
    }
    if (!info || !info->gated) return;
    warn(base + " is gated: its owners control access, and its licence also applies to this copy; " + target_.id +
         " is public. If it should be private, press Ctrl-C and rerun with --private");
    session_.wait(kSecondsToThink);
  }

  // The card on the Hub may have been edited; a generated one does not replace it.
  void keep_existing_readme(const std::string& card) {
    std::erase_if(files_, [&](const UploadFile& file) {
      const bool drop = file.place.empty() && !file.remote_oid.empty() && file.content == card;
      if (drop) result_.notes.push_back("the README.md of " + target_.id + " is kept unchanged");
      return drop;
    });
  }

  // Hashes of contents; large files are read in parallel, once.
  void compute_oids() {
    run_workers(files_.size(), options_.max_workers, session_.settings, monitor_, [&](HttpClient&, size_t i) {
      UploadFile& file = files_[i];
      if (file.ignored) return;
      static const std::string kSha256(64, '0'), kGit(40, '0');
      const auto look = [&](int64_t) { session_.throw_if_stopped(); };
      if (!file.place.empty()) {
        file.oid = digest_of_file(file.place, file.lfs ? kSha256 : kGit, look);
      } else {
        Digest digest(kGit, file.size);
        digest.add(file.content);
        file.oid = digest.hex();
        file.lfs = false;
      }
    });
  }

  void count(const std::vector<const UploadFile*>& changed) {
    for (const UploadFile& file : files_) result_.bytes_total += file.size;
    int64_t bytes = 0;
    for (const UploadFile* file : changed) bytes += file->size;
    monitor_.expect(bytes, static_cast<int>(changed.size()));
  }

  static constexpr double kSecondsToThink = 5;

  Session session_;
  const fs::path& folder_;
  CommitTarget target_;
  const PushOptions& options_;
  TransferMonitor monitor_;
  HttpClient client_;
  std::vector<UploadFile> files_;
  QuantizationRecord record_;
  std::optional<RepositoryInfo> there_;  // the state before this upload, at its revision or else at main
  bool has_revision_ = false;
  PushResult result_;
};

}  // namespace

PushResult push(Session session, const std::string& folder, const std::string& repo, const PushOptions& options,
                const TransferSink& on_progress) {
  const std::string doing = "pushing to " + repo;
  ModelName name = ModelName::parse(repo, options.revision);
  if (options.perplexity_before.empty() != options.perplexity_after.empty()) {
    throw Error(ErrorKind::kUsage, doing + ": --perplexity-before and --perplexity-after must be used together");
  }
  if (session.settings.offline) {
    throw Error(ErrorKind::kNetwork, doing + ": offline mode is on (HF_HUB_OFFLINE); unset the variable to upload");
  }
  if (session.token.value.empty()) {
    throw Error(ErrorKind::kPermission,
                doing + ": this needs a login with write access; run `gptq auth login` with a token from " +
                    session.settings.endpoint + "/settings/tokens, or set HF_TOKEN");
  }
  if (name.id.find('/') == std::string::npos) {
    HttpClient client(session.settings);
    name = ModelName::parse(user_name(session, client, doing) + "/" + name.id, name.revision);
  }
  try {
    const CommitTarget target{name.id, name.revision, options.create_pr, options.message};
    return Push(std::move(session), fs::path(folder), target, options, on_progress).run();
  } catch (const fs::filesystem_error& error) {
    throw_system_error(doing + ": reading", error.path1(), error.code().value());
  }
}

}  // namespace gptq::hub

namespace gptq {

PushResult push(const std::string& folder, const std::string& repo, const PushOptions& options,
                const TransferSink& on_progress) {
  return hub::push(hub::open_session(options.token), folder, repo, options, on_progress);
}

}  // namespace gptq
