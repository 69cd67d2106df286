// Uploads to the local Hub: what is sent, what is not sent twice, who is warned, and what goes wrong on the way.
#include "hub/upload/push.h"
#include "core/json.h"

#include "core/log.h"
#include "tests/hub/fixture.h"

namespace gptq {

namespace {

using testing::contains;
using testing::Fault;
using testing::Host;
using testing::HubRepo;
using testing::noise;
using testing::Request;
using testing::write_whole;

class PushTest : public testing::HubTest {
 protected:
  PushTest() {
    hub_.add_user(
        {.name = "ann",
         .organizations = {"org"},
         .tokens = {{.value = kWrite, .role = "write"}, {.value = kRead}, {.value = kFine, .role = "fineGrained"}}});
    environment_.set("HF_TOKEN", kWrite);
    write_whole(folder() / "config.json", R"({"model_type": "llama"})");
    write_whole(folder() / "model.safetensors", own_);
    write_whole(folder() / "sub/empty.safetensors", "");
    write_whole(folder() / "LICENSE", "Do as you like.");
    write_record(
        R"({"id": "org/tiny", "commit": ")" + commit_ +
        R"(", "license": "other", "license_name": "Tiny: a licence", "license_link": "LICENSE", "language": ["en", "no"]})");
    set_log_sink([this](LogLevel level, const std::string& text) {
      if (level == LogLevel::kWarning) warned_ += text + "\n";
    });
  }
  ~PushTest() override {
    set_log_sink({});
    for (const Request& request : hub_.server().requests()) {
      const bool storage = request.host == Host::kStorage;
      EXPECT_EQ(storage, request.header("authorization").empty()) << request.method << " " << request.target;
    }
  }

  fs::path folder() const { return scratch_ / "out"; }
  void write_record(const std::string& base_model) {
    write_whole(
        folder() / "quantize_config.json",
        R"({"bits": 4, "group_size": 128, "sym": true, "desc_act": false, "damp_percent": 0.01, "checkpoint_format": "gptq",
                    "meta": {"quantizer": ["gptq:0.1.0"], "clip": "hessian", "gptaq": {"alpha": 1.0, "device": "auto"},
                             "calibration": {"name": "built-in", "sha256": "ab12", "samples": 128, "seqlen": 2048, "seed": 0},
                             "errors": {"mean": 0.001, "largest": 0.02, "module": "model.layers.0.mlp.down_proj", "modules": 42},
                             "base_model": )" +
            base_model + "}}");
  }

  PushResult push(const PushOptions& options = {}, const std::string& repo = kRepo, const TransferSink& sink = {}) {
    hub::Session session = hub::open_session(options.token);
    session.clock = &clock_;
    return hub::push(std::move(session), folder().string(), repo, options, sink);
  }
  Error error_of_push(const PushOptions& options = {}, const std::string& repo = kRepo) {
    try {
      push(options, repo);
    } catch (const Error& error) {
      return error;
    }
    ADD_FAILURE() << "pushing to " << repo << " did not fail";
    return Error(ErrorKind::kGeneral, "");
  }
  std::string card() const { return hub_.content(kRepo, "README.md"); }
  int puts() { return hub_.server().count("PUT", "", Host::kStorage); }
  static std::string all(const std::vector<std::string>& notes) {
    std::string text;
    for (const std::string& note : notes) text += note + "\n";
    return text;
  }

  const std::string own_ = noise(3'000'000, 77);  // that the Hub has not seen
  static constexpr const char *kWrite = "hf_writewritewrite", *kRead = "hf_readreadread", *kFine = "hf_finefinefine";
  static constexpr const char* kRepo = "ann/tiny-4bit";
  std::string warned_;
};

TEST_F(PushTest, AFolderBecomesACommit) {
  const PushResult result = push();
  const HubRepo repo = hub_.repo(kRepo);
  EXPECT_EQ(repo.branches.at("main"), result.commit);
  EXPECT_EQ(result.url, hub_.endpoint() + "/" + kRepo + "/commit/" + result.commit);
  EXPECT_FALSE(repo.is_private);
  EXPECT_EQ(hub_.content(kRepo, "model.safetensors"), own_);
  EXPECT_EQ(hub_.content(kRepo, "sub/empty.safetensors"), "");
  EXPECT_EQ(hub_.content(kRepo, "LICENSE"), "Do as you like.");
  const HubRepo::Tree& files = repo.commits.at(result.commit).files;
  EXPECT_TRUE(files.at("model.safetensors").lfs);
  EXPECT_FALSE(files.at("config.json").lfs);
  EXPECT_EQ(result.bytes_sent, result.bytes_total);
  EXPECT_EQ(puts(), 1);
  EXPECT_EQ(warned_, "");
}

TEST_F(PushTest, TheCardSaysWhatWasDone) {
  push();
  EXPECT_EQ(contains(card(), {"base_model: org/tiny\n", "base_model_relation: quantized\n", "license: other\n",
                              "license_name: \"Tiny: a licence\"\n", "license_link: LICENSE\n",
                              "language:\n- en\n- \"no\"\n", "- gptq\n", "- \"4-bit\"\n", "| group size | 128 |",
                              "built-in, 128 windows of 2048 tokens, seed 0, sha256 ab12", commit_,
                              "0.001 on average over 42 modules, at most 0.02 (model.layers.0.mlp.down_proj)",
                              "| weight files | 3.0 MB |", "gptq:0.1.0", "gptq chat ann/tiny-4bit",
                              "vllm serve ann/tiny-4bit", "from_pretrained(\"ann/tiny-4bit\"",
                              "gptq quantize org/tiny@" + commit_ + " -o DIR --bits 4 --group-size 128"}),
            "");
  EXPECT_EQ(card().find("perplexity"), std::string::npos);  // nobody measured it
}

TEST_F(PushTest, TheCardShowsPerplexityThatWasMeasured) {
  const auto measured = [&](const std::string& name, double value, int window) {
    write_whole(scratch_ / name, Json{{"model", "m"},
                                      {"text", "texts/eval.txt"},
                                      {"perplexity", value},
                                      {"tokens", 512},
                                      {"windows", 1},
                                      {"window", window}}
                                     .dump());
    return (scratch_ / name).string();
  };
  PushOptions options;
  options.perplexity_before = measured("before.json", 29.877, 512);
  EXPECT_EQ(error_of_push(options).kind(), ErrorKind::kUsage);
  options.perplexity_after = measured("after.json", 30.5, 256);
  EXPECT_EQ(error_of_push(options).kind(), ErrorKind::kUsage);
  options.perplexity_after = measured("after.json", 30.5, 512);
  push(options);
  EXPECT_EQ(contains(card(), {"| perplexity | 29.8770 before, 30.5000 after (eval.txt, windows of 512 tokens) |"}), "");
}

TEST_F(PushTest, PeoplesOwnCardsStay) {
  write_whole(folder() / "README.md", "---\nlicense: mit\n---\n# Mine");
  push();
  EXPECT_EQ(card(), "---\nlicense: mit\n---\n# Mine");
  fs::remove(folder() / "README.md");
  const PushResult result = push();
  EXPECT_EQ(card(), "---\nlicense: mit\n---\n# Mine");
  EXPECT_EQ(contains(all(result.notes), {"README.md", "kept unchanged"}), "");
}

TEST_F(PushTest, ACardThatTheHubCannotReadIsRefusedBeforeAnythingIsMade) {
  write_whole(folder() / "README.md", "---\ntags: [a\n---\n");
  const Error error = error_of_push();
  EXPECT_EQ(error.kind(), ErrorKind::kVerification);
  EXPECT_EQ(contains(error.what(), {"README.md", "a list has no end"}), "");
  EXPECT_FALSE(hub_.has(kRepo));
}

TEST_F(PushTest, WithoutACardWhenNobodyWantsOne) {
  PushOptions options;
  options.write_card = false;
  push(options);
  EXPECT_EQ(hub_.repo(kRepo).commits.at(hub_.repo(kRepo).branches.at("main")).files.count("README.md"), 0u);
}

TEST_F(PushTest, WhatIsThereIsNotSentAgain) {
  const std::string commit = push().commit;
  hub_.server().clear_requests();
  const PushResult second = push();
  EXPECT_EQ(second.commit, commit);
  EXPECT_EQ(second.bytes_sent, 0);
  EXPECT_EQ(puts(), 0);
  EXPECT_EQ(hub_.server().count("POST", "/commit/"), 0);
  write_whole(folder() / "config.json", R"({"model_type": "mistral"})");
  const PushResult third = push();
  EXPECT_NE(third.commit, commit);
  EXPECT_EQ(third.bytes_sent, 25);
  EXPECT_EQ(puts(), 0);
}

TEST_F(PushTest, LargeFilesGoInParts) {
  hub_.multipart_from = 1'000'000;
  hub_.part_size = 700'000;
  push();
  EXPECT_EQ(hub_.content(kRepo, "model.safetensors"), own_);
  EXPECT_EQ(puts(), 5);
  EXPECT_EQ(hub_.server().count("POST", "/local/complete/"), 1);
  EXPECT_EQ(hub_.server().count("POST", "/local/verify"), 1);
}

TEST_F(PushTest, BrokenPartsAreSentAgain) {
  hub_.multipart_from = 1'000'000;
  hub_.part_size = 700'000;
  hub_.server().add_fault(Fault::refuse("/part/2", 500).on(Host::kStorage).repeated(2));
  hub_.server().add_fault(Fault::cut("/part/4", 0).on(Host::kStorage));
  push();
  EXPECT_EQ(hub_.content(kRepo, "model.safetensors"), own_);
  EXPECT_GT(clock_.slept(), 0);
}

TEST_F(PushTest, ExpiredAddressesAreAskedForAgain) {
  for (const int64_t parts_from : {int64_t{-1}, int64_t{1'000'000}}) {
    hub_.multipart_from = parts_from;
    hub_.part_size = 700'000;
    write_whole(folder() / "model.safetensors", own_ + std::to_string(parts_from));
    hub_.server().clear_requests();
    hub_.server().add_fault(Fault::refuse("/lfs/", 403).on(Host::kStorage));
    int64_t most = 0;
    push({}, kRepo, [&](const TransferProgress& p) {
      EXPECT_LE(p.bytes_done, p.bytes_total);
      most = std::max(most, p.bytes_done);
      return true;
    });
    EXPECT_EQ(hub_.content(kRepo, "model.safetensors"), own_ + std::to_string(parts_from));
    EXPECT_EQ(hub_.server().count("POST", "/objects/batch"), 2);
  }
  hub_.server().add_fault(Fault::refuse("/lfs/", 403).on(Host::kStorage).repeated(-1));
  write_whole(folder() / "model.safetensors", own_ + "more");
  const Error error = error_of_push();
  EXPECT_EQ(error.kind(), ErrorKind::kNetwork);
  EXPECT_EQ(contains(error.what(), {"model.safetensors", "4 times"}), "");
}

TEST_F(PushTest, AnUploadThatBreaksGoesOn) {
  write_whole(folder() / "other.safetensors", noise(2'000'000, 9));
  hub_.server().add_fault(Fault::refuse("/lfs/" + testing::sha256_hex(own_), 500).on(Host::kStorage).repeated(5));
  PushOptions options;
  options.max_workers = 1;
  EXPECT_EQ(error_of_push(options).kind(), ErrorKind::kNetwork);
  const HubRepo half = hub_.repo(kRepo);
  EXPECT_EQ(half.commits.at(half.branches.at("main")).files.count("config.json"), 0u);  // no half model
  hub_.server().clear_requests();
  push(options);
  EXPECT_EQ(hub_.content(kRepo, "model.safetensors"), own_);
  EXPECT_EQ(hub_.content(kRepo, "other.safetensors"), noise(2'000'000, 9));
}

TEST_F(PushTest, StoppingLeavesNoCommit) {
  hub_.server().add_fault(Fault::delay("/lfs/", 300).on(Host::kStorage));
  try {
    push({}, kRepo, [](const TransferProgress& p) { return p.bytes_done == 0; });
    FAIL() << "it went on";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kInterrupted);
  }
  EXPECT_EQ(hub_.server().count("POST", "/commit/"), 0);
}

TEST_F(PushTest, PrivateMeansPrivate) {
  PushOptions options;
  options.private_repo = true;
  push(options);
  EXPECT_TRUE(hub_.repo(kRepo).is_private);
  hub_.edit("org/tiny", [](HubRepo& repo) { repo.gated = "auto"; });
  push(options);
  EXPECT_EQ(warned_, "");
}

TEST_F(PushTest, APublicCopyOfAGatedModelIsWarnedOf) {
  hub_.edit("org/tiny", [](HubRepo& repo) { repo.gated = "manual"; });
  push();
  EXPECT_EQ(contains(warned_, {"org/tiny is gated", kRepo, "--private"}), "");
  EXPECT_GE(clock_.slept(), 4.9);  // time to think
  const auto requests = hub_.server().requests();
  const auto at = [&](const std::string& path) {
    return std::find_if(requests.begin(), requests.end(), [&](const Request& r) { return r.path == path; });
  };
  EXPECT_LT(at("/api/models/org/tiny/revision/main"), at("/api/repos/create"));
}

TEST_F(PushTest, ABaseModelCanBeNamed) {
  write_record("{}");
  const PushResult unnamed = push({}, "ann/other");
  EXPECT_EQ(contains(all(unnamed.notes), {"--base-model", "no licence"}), "");
  EXPECT_EQ(hub_.content("ann/other", "README.md").find("base_model"), std::string::npos);
  PushOptions options;
  options.base_model = "org/tiny";
  push(options);
  EXPECT_EQ(contains(card(), {"base_model: org/tiny\n"}), "");
}

TEST_F(PushTest, PullRequestsAndBranches) {
  const std::string first = push().commit;
  write_whole(folder() / "config.json", "{}");
  PushOptions options;
  options.create_pr = true;
  const PushResult proposed = push(options);
  EXPECT_EQ(proposed.url, hub_.endpoint() + "/" + kRepo + "/discussions/1");
  EXPECT_EQ(hub_.repo(kRepo).branches.at("main"), first);
  EXPECT_EQ(hub_.content(kRepo, "config.json", "refs/pr/1"), "{}");
  options = {};
  options.revision = "three/bits";
  push(options);
  EXPECT_EQ(hub_.content(kRepo, "config.json", "three/bits"), "{}");
  EXPECT_EQ(hub_.repo(kRepo).branches.at("main"), first);
  options.revision = "new";
  push(options, "ann/fresh");
  EXPECT_EQ(hub_.content("ann/fresh", "config.json", "new"), "{}");
}

TEST_F(PushTest, ARenamedRepositoryIsWrittenUnderItsNewName) {
  push();
  hub_.rename(kRepo, "ann/renamed");
  write_whole(folder() / "config.json", "{}");
  write_whole(folder() / "model.safetensors", noise(2'000'000, 78));
  const PushResult result = push();
  EXPECT_EQ(hub_.content("ann/renamed", "config.json"), "{}");
  EXPECT_EQ(hub_.content("ann/renamed", "model.safetensors"), noise(2'000'000, 78));
  EXPECT_FALSE(hub_.has(kRepo));
  EXPECT_EQ(contains(all(result.notes), {std::string(kRepo) + " is called ann/renamed now"}), "");
  EXPECT_EQ(contains(result.url, {"/ann/renamed/commit/" + result.commit}), "");
}

TEST_F(PushTest, RefusalsTellTheTruth) {
  PushOptions options;
  options.token = kRead;
  Error error = error_of_push(options);
  EXPECT_EQ(error.kind(), ErrorKind::kPermission);
  EXPECT_EQ(contains(error.what(), {kRepo, "write token", "--token"}), "");
  options.token = kFine;
  error = error_of_push(options);
  EXPECT_EQ(error.kind(), ErrorKind::kPermission);
  EXPECT_EQ(contains(error.what(), {"repo.write", "--token"}), "");
  error = error_of_push({}, "stranger/model");
  EXPECT_EQ(error.kind(), ErrorKind::kPermission);
  EXPECT_EQ(contains(error.what(), {"stranger", "HF_TOKEN"}), "");
  EXPECT_EQ(error_of_push({}, "../x/y").kind(), ErrorKind::kUsage);
  environment_.set("HF_HUB_OFFLINE", "1");
  EXPECT_EQ(contains(error_of_push().what(), {"offline mode"}), "");
  environment_.unset("HF_HUB_OFFLINE");
  environment_.unset("HF_TOKEN");
  const int before = requests();
  error = error_of_push();
  EXPECT_EQ(error.kind(), ErrorKind::kPermission);
  EXPECT_EQ(contains(error.what(), {"gptq auth login"}), "");
  EXPECT_EQ(requests(), before);
}

TEST_F(PushTest, ANameAloneIsTheUsersOwn) {
  const PushResult result = push({}, "tiny-4bit");
  EXPECT_EQ(contains(result.url, {"/ann/tiny-4bit/commit/"}), "");
  EXPECT_EQ(hub_.content(kRepo, "model.safetensors"), own_);
  EXPECT_EQ(contains(card(), {"gptq chat ann/tiny-4bit"}), "");
  environment_.set("HF_TOKEN", "hf_wrongwrongwrong");
  const Error error = error_of_push({}, "tiny-4bit");
  EXPECT_EQ(error.kind(), ErrorKind::kPermission);
  EXPECT_EQ(contains(error.what(), {"pushing to tiny-4bit", "is invalid"}), "");
  hub_.server().add_fault(Fault::body("whoami", R"({"name": "../evil"})"));
  EXPECT_EQ(error_of_push({}, "tiny-4bit").kind(), ErrorKind::kUsage);
}

TEST_F(PushTest, HiddenFilesStayHere) {
  for (const char* name : {".env", ".git-credentials", "sub/.netrc", ".ssh/id_rsa"})
    write_whole(folder() / name, "secret");
  write_whole(folder() / ".gitattributes", "*.safetensors filter=lfs\n");
  const PushResult result = push();
  const HubRepo repo = hub_.repo(kRepo);
  const HubRepo::Tree& files = repo.commits.at(result.commit).files;
  for (const auto& [path, file] : files) EXPECT_NE(*file.bytes, "secret") << path;
  EXPECT_EQ(files.count(".gitattributes"), 1u);
  EXPECT_EQ(contains(all(result.notes), {"hidden files are not uploaded", "and 3 more"}), "");
}

TEST_F(PushTest, LinksOutOfTheFolderAreRefused) {
  write_whole(scratch_ / "id_rsa", "secret");
  for (const char* name : {"LICENSE.txt", "sub/notes.txt"}) {
    fs::create_symlink(scratch_ / "id_rsa", folder() / name);
    const Error error = error_of_push();
    EXPECT_EQ(error.kind(), ErrorKind::kPermission);
    EXPECT_EQ(contains(error.what(), {name, "is a link to", "outside"}), "");
    fs::remove(folder() / name);
  }
  EXPECT_FALSE(hub_.has(kRepo));
  fs::create_symlink("LICENSE", folder() / "LICENSE.txt");          // inside
  fs::create_directory_symlink(scratch_.path(), folder() / "all");  // not entered
  push();
  EXPECT_EQ(hub_.content(kRepo, "LICENSE.txt"), "Do as you like.");
  for (const Request& request : hub_.server().requests()) EXPECT_EQ(request.body.find("c2VjcmV0"), std::string::npos);
}

TEST_F(PushTest, OnlyModelFoldersAreTaken) {
  write_whole(folder() / ".git/config", "secret");
  write_whole(folder() / ".cache/huggingface/x", "secret");
  push();
  const HubRepo repo = hub_.repo(kRepo);
  for (const auto& [path, file] : repo.commits.at(repo.branches.at("main")).files)
    EXPECT_FALSE(path.starts_with(".git/") || path.starts_with(".cache/")) << path;
  fs::remove(folder() / "config.json");
  EXPECT_EQ(error_of_push().kind(), ErrorKind::kUsage);
  fs::remove_all(folder());
  EXPECT_EQ(error_of_push().kind(), ErrorKind::kNotFound);
}

TEST_F(PushTest, ASnapshotOfTheCacheCanBePushed) {
  hub::Session session = hub::open_session("");
  const PullResult pulled = pull();
  PushOptions options;
  options.write_card = false;
  const PushResult result = hub::push(std::move(session), pulled.folder, "ann/copy", options, {});
  EXPECT_EQ(contains(all(result.notes), {"the Hub about README.md: empty or missing"}), "");
  EXPECT_EQ(hub_.content("ann/copy", "model.safetensors"), weights_);
}

}  // namespace

}  // namespace gptq
