// Pulling a model: which files come, where they lie, and that nothing comes twice.
#include <sys/stat.h>

#include <set>

#include "core/log.h"
#include "tests/hub/fixture.h"

namespace gptq::testing {

namespace {

class PullTest : public HubTest {
 protected:
  std::set<std::string> names(const PullResult& result) {
    std::set<std::string> paths;
    for (const PulledFile& file : result.files) paths.insert(file.path);
    return paths;
  }
  bool all_cached(const PullResult& result) {
    return std::all_of(result.files.begin(), result.files.end(), [](const PulledFile& file) { return file.cached; });
  }
  PullOptions local() {
    PullOptions options;
    options.local_dir = (scratch_ / "here").string();
    return options;
  }
  void break_network() { environment_.set("HF_ENDPOINT", "http://127.0.0.1:1"); }

  // Every name below the cache, with where links lead to.
  std::set<std::string> tree() {
    std::set<std::string> found;
    for (const auto& entry : fs::recursive_directory_iterator(cache())) {
      std::string line = entry.path().lexically_relative(cache()).string();
      if (entry.is_symlink()) line += " -> " + fs::read_symlink(entry.path()).string();
      found.insert(line);
    }
    return found;
  }
};

TEST_F(PullTest, FilesAreVerifiedAndLieWhereHuggingfaceHubLooks) {
  const PullResult result = pull();
  EXPECT_EQ(result.folder, snapshot().string());
  EXPECT_EQ(result.commit, commit_);
  EXPECT_EQ(names(result), (std::set<std::string>{"README.md", "config.json", "model.safetensors", "tokenizer.json"}));
  EXPECT_EQ(result.bytes_fetched, result.bytes_total);
  EXPECT_EQ(read_whole(snapshot() / "model.safetensors"), weights_);
  const std::string top = "models--org--tiny", blobs = top + "/blobs", shot = top + "/snapshots/" + commit_,
                    locks = ".locks/" + top;
  std::set<std::string> expected = {".locks",
                                    locks,
                                    "CACHEDIR.TAG",
                                    top,
                                    blobs,
                                    top + "/refs",
                                    top + "/refs/main",
                                    top + "/snapshots",
                                    shot,
                                    top + "/trees",
                                    top + "/trees/" + commit_ + ".json"};
  for (const auto& [name, etag] : std::map<std::string, std::string>{{"README.md", git_sha1_hex("# Tiny")},
                                                                     {"config.json", git_sha1_hex(config_)},
                                                                     {"tokenizer.json", git_sha1_hex(tokenizer_)},
                                                                     {"model.safetensors", sha256_hex(weights_)}}) {
    expected.insert(blobs + "/" + etag);
    expected.insert(shot + "/" + name + " -> ../../blobs/" + etag);
    expected.insert(locks + "/" + etag + ".lock");
  }
  EXPECT_EQ(tree(), expected);
  EXPECT_EQ(read_whole(root() / "refs" / "main"), commit_);
  EXPECT_EQ(read_whole(cache() / "CACHEDIR.TAG").substr(0, 43), "Signature: 8a477f597d28d172789f06886806bc55");
  struct stat info {};
  ASSERT_EQ(::stat((cache() / locks / (git_sha1_hex(config_) + ".lock")).c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0664u);
}

TEST_F(PullTest, LinksOfSubfoldersGoFurtherUp) {
  PullOptions options;
  options.include = {"sub/"};
  pull(options);
  EXPECT_EQ(fs::read_symlink(snapshot() / "sub" / "notes.txt"), "../../../blobs/" + git_sha1_hex("not for models"));
}

TEST_F(PullTest, ASecondPullAsksOnce) {
  pull();
  hub_.server().clear_requests();
  const PullResult again = pull();
  EXPECT_TRUE(all_cached(again));
  EXPECT_EQ(again.bytes_fetched, 0);
  EXPECT_EQ(requests(), 1);
}

TEST_F(PullTest, ACompleteCommitNeedsNoRequest) {
  pull();
  hub_.server().clear_requests();
  const PullResult again = pull({}, "org/tiny@" + commit_);
  EXPECT_EQ(again.folder, snapshot().string());
  EXPECT_EQ(requests(), 0);
  fs::remove(snapshot() / "config.json");
  pull({}, "org/tiny@" + commit_);
  EXPECT_EQ(read_whole(snapshot() / "config.json"), config_);
  EXPECT_EQ(requests(), 0) << "its content lies in blobs";
}

TEST_F(PullTest, ACommitIsNoRef) {
  pull({}, "org/tiny@" + commit_);
  EXPECT_FALSE(fs::exists(root() / "refs"));
}

TEST_F(PullTest, ANewCommitBringsOnlyWhatChanged) {
  pull();
  const std::string next = hub_.commit(kId, {{"config.json", "{\"new\": 1}"}});
  hub_.server().clear_requests();
  const PullResult result = pull();
  EXPECT_EQ(result.commit, next);
  EXPECT_EQ(result.bytes_fetched, 10);
  EXPECT_EQ(hub_.server().count("GET", "model.safetensors", Host::kStorage), 0);
  EXPECT_EQ(read_whole(root() / "refs" / "main"), next);
  EXPECT_TRUE(fs::exists(snapshot() / "config.json")) << "the old commit stays";
}

TEST_F(PullTest, TagsAndPullRequestsAreRefs) {
  hub_.edit(kId, [&](HubRepo& repo) {
    repo.tags["v1"] = commit_;
    repo.pull_requests[3] = commit_;
  });
  pull({}, "org/tiny@v1");
  pull({}, "org/tiny@refs/pr/3");
  EXPECT_EQ(read_whole(root() / "refs" / "v1"), commit_);
  EXPECT_EQ(read_whole(root() / "refs" / "refs" / "pr" / "3"), commit_);
  EXPECT_FALSE(fs::exists(root() / "refs" / "main"));
}

TEST_F(PullTest, ADryRunWritesNothing) {
  PullOptions options;
  options.dry_run = true;
  const std::string index = R"({"weight_map": {"a": "model-1.safetensors"}})";
  hub_.commit("org/shards", {{"model-1.safetensors", noise(1000, 5)},
                             {"model-2.safetensors", noise(1000, 6)},
                             {"model.safetensors.index.json", index}});
  const PullResult plan = pull(options, "org/shards");
  EXPECT_EQ(names(plan), (std::set<std::string>{"model-1.safetensors", "model.safetensors.index.json"}));
  EXPECT_FALSE(all_cached(plan));
  EXPECT_FALSE(fs::exists(scratch_ / "home"));
}

TEST_F(PullTest, ExactlyTheShardsOfTheIndexCome) {
  const std::string index = R"({"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}})";
  hub_.commit("org/shards", {{"model-1.safetensors", noise(1000, 5)},
                             {"model-2.safetensors", noise(2000, 6)},
                             {"model-3.safetensors", noise(1000, 7)},
                             {"model.safetensors.index.json", index}});
  const PullResult result = pull({}, "org/shards");
  EXPECT_EQ(names(result),
            (std::set<std::string>{"model-1.safetensors", "model-2.safetensors", "model.safetensors.index.json"}));
  environment_.set("HF_HUB_OFFLINE", "1");
  EXPECT_EQ(pull({}, "org/shards").files.size(), 3u);
}

TEST_F(PullTest, TwoNamesOfOneContentComeOnce) {
  hub_.commit("org/twins", {{"model.safetensors", weights_}, {"a.model", tokenizer_}, {"b.model", tokenizer_}});
  pull({}, "org/twins");
  EXPECT_EQ(hub_.server().count("GET", ".model", Host::kStorage), 1);
  EXPECT_EQ(
      read_whole(cache() / "models--org--twins" / "snapshots" / hub_.repo("org/twins").branches["main"] / "b.model"),
      tokenizer_);
}

TEST_F(PullTest, EmptyFilesAreFiles) {
  hub_.commit(kId, {{"LICENSE", ""}});
  const PullResult result = pull();
  EXPECT_TRUE(fs::is_regular_file(fs::path(result.folder) / "LICENSE"));
}

TEST_F(PullTest, ForceFetchesAgain) {
  pull();
  write_whole(root() / "blobs" / sha256_hex(weights_), "damaged");
  PullOptions options;
  options.force_download = true;
  const PullResult result = pull(options);
  EXPECT_EQ(result.bytes_fetched, result.bytes_total);
  EXPECT_EQ(read_whole(snapshot() / "model.safetensors"), weights_);
}

TEST_F(PullTest, WithoutLinksFilesAreCopied) {
  environment_.set("HF_HUB_DISABLE_SYMLINKS", "1");
  pull();
  EXPECT_FALSE(fs::is_symlink(snapshot() / "config.json"));
  EXPECT_EQ(read_whole(snapshot() / "config.json"), config_);
  hub_.server().clear_requests();
  EXPECT_TRUE(all_cached(pull()));
  EXPECT_EQ(requests(), 1);
}

// ---- without a network

TEST_F(PullTest, OfflineGivesWhatIsComplete) {
  pull();
  environment_.set("HF_HUB_OFFLINE", "1");
  hub_.server().clear_requests();
  EXPECT_EQ(pull().folder, snapshot().string());
  EXPECT_EQ(pull({}, "org/tiny@" + commit_).folder, snapshot().string());
  fs::remove(snapshot() / "tokenizer.json");
  EXPECT_EQ(contains(error_of_pull().what(), {"lacks tokenizer.json", "HF_HUB_OFFLINE"}), "");
  EXPECT_EQ(contains(error_of_pull({}, "org/tiny@v2").what(), {"v2", "HF_HUB_OFFLINE"}), "");
  EXPECT_EQ(requests(), 0);
}

TEST_F(PullTest, ACallMayBeOfflineAndUseAnotherCache) {
  PullOptions options;
  options.cache_dir = (scratch_ / "other").string();
  options.local_files_only = true;
  EXPECT_EQ(contains(error_of_pull(options).what(), {"local_files_only", options.cache_dir}), "");
  EXPECT_EQ(requests(), 0);
  options.local_files_only = false;
  const std::string folder = pull(options).folder;
  EXPECT_TRUE(folder.starts_with(options.cache_dir));
  EXPECT_FALSE(fs::exists(root()));
  options.local_files_only = true;
  hub_.server().clear_requests();
  EXPECT_EQ(pull(options).folder, folder);
  EXPECT_EQ(requests(), 0);
}

TEST_F(PullTest, OfflineTrustsASnapshotOfAnOlderHuggingfaceHub) {
  pull();
  fs::remove_all(root() / "trees");
  environment_.set("HF_HUB_OFFLINE", "1");
  EXPECT_EQ(pull().folder, snapshot().string());
  fs::remove(snapshot() / "model.safetensors");
  EXPECT_EQ(error_of_pull().kind(), ErrorKind::kNotFound);
}

TEST_F(PullTest, ACompleteCopyServesWhenTheNetworkIsDown) {
  pull();
  break_network();
  EXPECT_EQ(pull().folder, snapshot().string());
  EXPECT_EQ(clock_.slept(), 0) << "tried once only";
  fs::remove(snapshot() / "config.json");
  EXPECT_EQ(error_of_pull().kind(), ErrorKind::kNetwork);
}

TEST_F(PullTest, ACompleteCopyServesWhenAccessWasTakenAway) {
  pull();
  hub_.edit(kId, [](HubRepo& repo) { repo.gated = "manual"; });
  hub_.server().add_fault(
      Fault::refuse("/api/models", 403, "GatedRepo", "Access to model org/tiny is restricted").repeated(1));
  EXPECT_EQ(pull().folder, snapshot().string());
  EXPECT_EQ(hub_.server().count("GET", "/api/models"), 2);
  fs::remove_all(root() / "blobs");
  EXPECT_EQ(error_of_pull().kind(), ErrorKind::kPermission) << "never a connection error";
}

TEST_F(PullTest, AnInterruptedUpdateLeavesTheOldCommitUsable) {
  pull();
  hub_.commit(kId, {{"model.safetensors", noise(3'000'000, 9)}});
  hub_.server().add_fault(Fault::cut("model.safetensors", 1000).on(Host::kStorage).repeated(1));
  hub_.server().add_fault(Fault::refuse("model.safetensors", 403).on(Host::kStorage).repeated(-1));
  error_of_pull();
  environment_.set("HF_HUB_OFFLINE", "1");
  EXPECT_EQ(pull().folder, snapshot().string());
}

TEST_F(PullTest, ADamagedCopyOfTheListingIsAskedForAgain) {
  pull();
  write_whole(root() / "trees" / (commit_ + ".json"), "{\"format_version\": 1, \"files\": {\"../x\": {}}}");
  hub_.server().clear_requests();
  EXPECT_TRUE(all_cached(pull({}, "org/tiny@" + commit_)));
  EXPECT_EQ(requests(), 1);
}

// ---- local folders

TEST_F(PullTest, ALocalFolderHasRealFilesAndNotes) {
  const PullResult result = pull(local());
  const fs::path here = scratch_ / "here", notes = here / ".cache" / "huggingface";
  EXPECT_EQ(result.folder, here.string());
  EXPECT_EQ(read_whole(here / "model.safetensors"), weights_);
  EXPECT_FALSE(fs::is_symlink(here / "model.safetensors"));
  EXPECT_EQ(read_whole(notes / ".gitignore"), "*");
  EXPECT_TRUE(fs::exists(notes / "CACHEDIR.TAG"));
  const std::string metadata = read_whole(notes / "download" / "config.json.metadata");
  EXPECT_EQ(metadata.substr(0, 82), commit_ + "\n" + git_sha1_hex(config_) + "\n");
  EXPECT_TRUE(fs::exists(notes / "trees" / (commit_ + ".json")));
  EXPECT_FALSE(fs::exists(root() / "blobs"));
  hub_.server().clear_requests();
  EXPECT_TRUE(all_cached(pull(local())));
  EXPECT_EQ(requests(), 1);
}

TEST_F(PullTest, ALocalFileThatWasChangedIsFetchedAgain) {
  pull(local());
  const fs::path config = scratch_ / "here" / "config.json";
  std::string changed = config_;
  changed.back() = '!';
  write_whole(config, changed);
  fs::last_write_time(config, fs::file_time_type::clock::now() + std::chrono::hours(1));
  const PullResult result = pull(local());
  EXPECT_EQ(read_whole(config), config_);
  EXPECT_EQ(result.bytes_fetched, static_cast<int64_t>(config_.size()));
}

TEST_F(PullTest, ALocalFolderTakesFromTheCache) {
  pull();
  hub_.server().clear_requests();
  const PullResult result = pull(local());
  EXPECT_EQ(result.bytes_fetched, 0);
  EXPECT_EQ(requests(), 1);
  EXPECT_EQ(read_whole(scratch_ / "here" / "model.safetensors"), weights_);
}

TEST_F(PullTest, ALocalPartialIsGoneOnWith) {
  hub_.server().add_fault(Fault::slow("model.safetensors", 2'000'000).on(Host::kStorage));
  EXPECT_THROW(pull(local(), kId, [](const TransferProgress& p) { return p.bytes_done < 500'000; }), Error);
  const PullResult result = pull(local());
  EXPECT_LT(result.bytes_fetched, static_cast<int64_t>(weights_.size()));
  EXPECT_EQ(read_whole(scratch_ / "here" / "model.safetensors"), weights_);
}

// ---- hostile repositories, through the whole way

TEST_F(PullTest, HostileNamesTouchNothing) {
  for (const std::string path : {"../../evil.json", "/tmp/gptq-evil.json", "a/../../../evil.json", ".git/hooks/evil"}) {
    hub_.server().clear_faults();
    hub_.server().add_fault(Fault::body("/api/models", R"({"sha": ")" + commit_ + R"(", "siblings": [{"rfilename": ")" +
                                                           path + R"(", "size": 5, "blobId": ")" +
                                                           std::string(40, 'a') + R"("}]})"));
    EXPECT_EQ(error_of_pull().kind(), ErrorKind::kVerification) << path;
  }
  EXPECT_FALSE(fs::exists(scratch_ / "home"));
  EXPECT_FALSE(fs::exists("/tmp/gptq-evil.json"));
}

TEST_F(PullTest, ARepositoryCannotWriteTheNotesOfALocalFolder) {
  hub_.commit(kId, {{".cache/huggingface/download/config.json.metadata", "lies"}});
  PullOptions options = local();
  options.include = {"*"};
  EXPECT_EQ(error_of_pull(options).kind(), ErrorKind::kVerification);
  EXPECT_NE(read_whole(scratch_ / "here" / ".cache/huggingface/download/config.json.metadata"), "lies");
}

TEST_F(PullTest, AListingOfAnotherCommitIsRefused) {
  hub_.server().add_fault(Fault::body("/api/models", R"({"sha": ")" + std::string(40, 'e') + R"(", "siblings": []})"));
  EXPECT_EQ(error_of_pull({}, "org/tiny@" + commit_).kind(), ErrorKind::kVerification);
}

TEST_F(PullTest, ALinkInTheWayOfAPartialIsNotFollowed) {
  const fs::path victim = scratch_ / "victim";
  write_whole(victim, "mine");
  fs::create_directories(root() / "blobs");
  fs::create_symlink(victim, root() / "blobs" / (sha256_hex(weights_) + ".incomplete"));
  error_of_pull();
  EXPECT_EQ(read_whole(victim), "mine");
}

TEST_F(PullTest, MoreThanTheDiskHoldsIsRefusedBeforeAnythingComes) {
  std::string reply =
      R"({"sha": ")" + commit_ + R"(", "siblings": [{"rfilename": "model.safetensors", "size": 134, "blobId": ")" +
      std::string(40, 'a') + R"(", "lfs": {"sha256": ")" + std::string(64, 'b') + R"(", "size": 9000000000000}}]})";
  hub_.server().add_fault(Fault::body("/api/models", reply));
  const Error error = error_of_pull();
  EXPECT_EQ(error.kind(), ErrorKind::kGeneral);
  EXPECT_EQ(contains(error.what(), {"9000000 MB", "are free", "nothing was downloaded"}), "");
  EXPECT_EQ(requests(), 1);
}

TEST_F(PullTest, PicklesNameTheirConversion) {
  hub_.commit("org/old", {{"config.json", "{}"}, {"pytorch_model.bin", noise(1000, 3)}});
  EXPECT_EQ(contains(error_of_pull({}, "org/old").what(), {"pytorch_model.bin", "pickled weights"}), "");
  const std::string converted = hub_.commit("org/old", {{"model.safetensors", noise(1000, 4)}}, "converted");
  hub_.edit("org/old", [&](HubRepo& repo) { repo.pull_requests[7] = converted; });
  EXPECT_EQ(contains(error_of_pull({}, "org/old").what(), {"pickled weights", "--revision refs/pr/7"}), "");
  EXPECT_EQ(pull({}, "org/old@refs/pr/7").commit, converted);
}

// What a command says of config.json, for which no weights are to come.
class RefusedPullTest : public PullTest {
 protected:
  RefusedPullTest() {
    options_.check_config = [this](const std::string& config) {
      checked_ = config;
      throw Error(ErrorKind::kVerification, "runs here: no");
    };
    set_log_sink([this](LogLevel, const std::string& text) { said_ += text + "\n"; });
  }
  ~RefusedPullTest() override { set_log_sink({}); }
  int weights() { return hub_.server().count("", "model.safetensors") + hub_.server().count("", "", Host::kStorage); }

  PullOptions options_;
  std::string checked_, said_;
};

TEST_F(RefusedPullTest, BeforeTheWeights) {
  for (const bool dry_run : {false, true}) {
    options_.dry_run = dry_run;
    EXPECT_EQ(contains(error_of_pull(options_).what(), {"runs here: no"}), "");
    EXPECT_EQ(checked_, config_);
    EXPECT_EQ(weights(), 0);
    EXPECT_FALSE(fs::exists(snapshot() / "model.safetensors"));
    checked_.clear();
  }
}

TEST_F(RefusedPullTest, AWarningWhenFilesAreAskedFor) {
  options_.include = {"*"};
  pull(options_);
  EXPECT_EQ(contains(said_, {"runs here: no"}), "");
  EXPECT_EQ(read_whole(snapshot() / "model.safetensors"), weights_);
  said_.clear();
  options_.include = {"tokenizer.json"};
  pull(options_);
  EXPECT_EQ(said_, "") << "config.json was not asked for";
}

TEST_F(RefusedPullTest, NotAskedWithoutWeights) {
  options_.exclude = {"*.safetensors"};
  pull(options_);
  EXPECT_EQ(checked_, "");
}

TEST_F(PullTest, ProgressEndsWhereItShould) {
  TransferProgress last;
  int64_t minimal = 0;
  pull({}, kId, [&](const TransferProgress& progress) {
    EXPECT_LE(progress.bytes_done, progress.bytes_total);
    minimal = std::max(minimal, progress.bytes_done);
    last = progress;
    return true;
  });
  EXPECT_EQ(last.bytes_done, last.bytes_total);
  EXPECT_EQ(last.files_done, 4);
  EXPECT_EQ(last.files_total, 4);
}

TEST_F(PullTest, ManyFilesAreListedInPages) {
  std::string siblings;  // what the one-call listing has room for
  for (int i = 0; i < 50'000; ++i) {
    siblings += (i == 0 ? "" : ",") + std::string(R"({"rfilename":"logs/)") + std::to_string(i) +
                R"(","size":1,"blobId":")" + std::string(40, 'a') + "\"}";
  }
  hub_.server().add_fault(
      Fault::body("/revision/", R"({"sha":")" + commit_ + R"(","siblings":[)" + siblings + "]}").repeated(-1));
  hub_.tree_page = 2;
  pull();
  EXPECT_EQ(hub_.server().count("GET", "/tree/"), 3);  // five files and a folder
  EXPECT_EQ(read_whole(snapshot() / "model.safetensors"), weights_);
  hub_.server().add_fault(Fault{.path = "/tree/", .edit = [](const Request&, Response& response) {
                                  response.set("Link", "<http://127.0.0.1:1/elsewhere>; rel=\"next\"");
                                }});
  PullOptions options;
  options.force_download = true;
  EXPECT_EQ(error_of_pull(options).kind(), ErrorKind::kVerification);
}

TEST_F(PullTest, NamesOfModelsAndFolders) {
  EXPECT_TRUE(is_hub_model("org/name"));
  EXPECT_TRUE(is_hub_model("org/name@v1"));
  EXPECT_FALSE(is_hub_model(scratch_.path().string()));
  EXPECT_FALSE(is_hub_model("/no/such/folder"));
  EXPECT_FALSE(is_hub_model("./no-such"));
  EXPECT_FALSE(is_hub_model("a/b/c"));
}

}  // namespace

}  // namespace gptq::testing
