// Listings from untrusted servers: what is parsed, what is rejected, and the copy that huggingface_hub reads.
#include <gtest/gtest.h>

#include "core/json.h"
#include "hub/download/selection.h"
#include "hub/repository/listing.h"

namespace gptq::hub {

namespace {

const std::string kCommit(40, 'c'), kGit(40, 'a'), kSha(64, 'b');

Json sibling(const std::string& path, int64_t size = 5) {
  return {{"rfilename", path}, {"size", size}, {"blobId", kGit}};
}

std::string reply(const std::vector<Json>& siblings) {
  return Json{{"id", "org/name"}, {"sha", kCommit}, {"gated", false}, {"private", false}, {"siblings", siblings}}
      .dump();
}

void expect_refused(const std::string& json, const std::string& part) {
  try {
    parse_listing(json, "the listing");
    ADD_FAILURE() << "accepted: " << json.substr(0, 300);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kVerification) << error.what();
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
  }
}

TEST(Listing, SaysNamesSizesAndHashes) {
  Json large = sibling("model.safetensors", 134);
  large["lfs"] = {{"sha256", kSha}, {"size", 1000}, {"pointerSize", 134}};
  const Listing listing = parse_listing(reply({sibling("config.json"), large}), "test");
  EXPECT_EQ(listing.commit, kCommit);
  ASSERT_EQ(listing.files.size(), 2u);
  EXPECT_EQ(listing.files[0].etag(), kGit);
  EXPECT_EQ(listing.files[1].etag(), kSha);
  EXPECT_EQ(listing.files[1].size, 1000);
}

TEST(Listing, PagesSayTheSame) {
  const Json page = {{{"type", "directory"}, {"path", "sub"}, {"size", 0}, {"oid", kGit}},
                     {{"type", "file"}, {"path", "sub/config.json"}, {"size", 5}, {"oid", kGit}},
                     {{"type", "file"},
                      {"path", "model.safetensors"},
                      {"size", 134},
                      {"oid", kGit},
                      {"lfs", {{"oid", kSha}, {"size", 1000}, {"pointerSize", 134}}},
                      {"xetHash", kSha}}};
  const std::vector<RepoFile> files = parse_page(page.dump(), "test");
  ASSERT_EQ(files.size(), 2u);
  EXPECT_EQ(files[0].path, "sub/config.json");
  EXPECT_EQ(files[0].etag(), kGit);
  EXPECT_EQ(files[1].etag(), kSha);
  EXPECT_EQ(files[1].size, 1000);
  EXPECT_EQ(files[1].xet_hash, kSha);
  for (const char* path : {"../up", "/etc/passwd", ".git/config"}) {
    Json hostile = page;
    hostile[1]["path"] = path;
    EXPECT_THROW(parse_page(hostile.dump(), "test"), Error) << path;
  }
  EXPECT_THROW(parse_page("{}", "test"), Error);
}

TEST(Listing, HostileRepliesAreRefused) {
  expect_refused("", "");
  expect_refused("[]", "");
  expect_refused("{}", "sha");
  expect_refused(reply({}).replace(reply({}).find(kCommit), 40, "../../../../../../../../../../etc/passwd"), "sha");
  expect_refused(reply({sibling("../../etc/passwd")}), "leads out");
  expect_refused(reply({sibling("/etc/passwd")}), "leads out");
  expect_refused(reply({sibling("a/../b")}), "leads out");
  expect_refused(reply({sibling(".git/hooks/post-checkout")}), "git");
  expect_refused(reply({sibling("a\\..\\b")}), "backslash");
  expect_refused(reply({sibling("a"), sibling("a")}), "twice");
  expect_refused(reply({sibling("a/b"), sibling("a")}), "which is also listed as a file");
  expect_refused(reply({sibling("a"), sibling("a/b/c")}), "which is also listed as a file");
  expect_refused(reply({sibling("a", -1)}), "size");
  expect_refused(reply({sibling("a", int64_t{1} << 60)}), "size");
  Json odd = sibling("a");
  odd["size"] = 1e30;
  expect_refused(reply({odd}), "size");
  odd["size"] = "5";
  expect_refused(reply({odd}), "size");
  odd = sibling("a");
  odd["blobId"] = "../x";
  expect_refused(reply({odd}), "Git hash");
  odd = sibling("a");
  odd["lfs"] = {{"sha256", "../../x"}, {"size", 5}};
  expect_refused(reply({odd}), "SHA-256");
  odd["lfs"] = {{"sha256", std::string(64, 'B')}, {"size", 5}};
  expect_refused(reply({odd}), "SHA-256");
  odd["lfs"] = 5;
  expect_refused(reply({odd}), "");
  odd = sibling("a");
  odd.erase("size");
  expect_refused(reply({odd}), "size");
  expect_refused(R"({"sha": ")" + kCommit + R"(", "siblings": {"a": 1}})", "siblings");
  expect_refused(std::string(100'000, '['), "");
}

TEST(Listing, TheCopyIsWhatPythonWrites) {
  Listing listing{kCommit, {{"ü.json", 5, kGit, "", ""}, {"a/b", 7, kGit, kSha, std::string(64, 'd')}}};
  EXPECT_EQ(tree_text(listing),
            "{\n \"format_version\": 1,\n \"files\": {\n  \"a/b\": {\n   \"size\": 7,\n   \"blob_id\": \"" + kGit +
                "\",\n   \"lfs_sha256\": \"" + kSha + "\",\n   \"lfs_size\": 7,\n   \"xet_hash\": \"" +
                std::string(64, 'd') + "\"\n  },\n  \"\\u00fc.json\": {\n   \"size\": 5,\n   \"blob_id\": \"" + kGit +
                "\"\n  }\n }\n}");
  EXPECT_EQ(tree_text({kCommit, {}}), "{\n \"format_version\": 1,\n \"files\": {}\n}");
  const Listing again = parse_tree(tree_text(listing), kCommit, "test");
  EXPECT_EQ(tree_text(again), tree_text(listing));
  EXPECT_THROW(parse_tree(R"({"format_version": 2, "files": {}})", kCommit, "test"), Error);
  EXPECT_THROW(parse_tree(R"({"format_version": 1, "files": {"../a": {"size": 1, "blob_id": ")" + kGit + "\"}}}",
                          kCommit, "test"),
               Error);
}

// ---- selection

std::string chosen(const std::vector<std::string>& paths, const Selection& selection = {},
                   const std::string& index = "") {
  Listing listing{kCommit, {}};
  for (const std::string& path : paths) listing.files.push_back({path, 1, kGit, "", ""});
  std::string text;
  for (const RepoFile& file : select_files(listing, selection, "org/name", [&](const RepoFile&) { return index; }))
    text += file.path + " ";
  return text;
}

TEST(Selection, WhatALanguageModelNeeds) {
  EXPECT_EQ(chosen({"config.json",
                    "model.safetensors",
                    "pytorch_model.bin",
                    "tf_model.h5",
                    "original/consolidated.00.pth",
                    "original/tokenizer.model",
                    "tokenizer.model",
                    "x.gguf",
                    "picture.png",
                    "params.json",
                    "onnx/model.onnx",
                    "consolidated.safetensors",
                    "chat_template.jinja",
                    "additional_chat_templates/tool.jinja",
                    "LICENSE.txt",
                    "NOTICE",
                    "README.md",
                    "USE_POLICY.md",
                    "model.fp16.safetensors",
                    "sub/config.json"}),
            "config.json model.safetensors tokenizer.model chat_template.jinja additional_chat_templates/tool.jinja "
            "LICENSE.txt NOTICE README.md ");
}

TEST(Selection, ExactlyTheShardsOfTheIndex) {
  const std::string index =
      R"({"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors", "c": "model-1.safetensors"}})";
  EXPECT_EQ(
      chosen({"model-1.safetensors", "model-2.safetensors", "model-3.safetensors", "model.safetensors.index.json"}, {},
             index),
      "model-1.safetensors model-2.safetensors model.safetensors.index.json ");
  EXPECT_THROW(chosen({"model-1.safetensors", "model.safetensors.index.json"}, {}, index), Error);
  for (const std::string& bad :
       std::vector<std::string>{"{}", "[]", R"({"weight_map": []})", R"({"weight_map": {"a": 5}})",
                                R"({"weight_map": {"a": "../x.safetensors"}})",
                                R"({"weight_map": {"a": "sub/x.safetensors"}})", R"({"weight_map": {"a": "x.bin"}})"})
    EXPECT_THROW(chosen({"x.bin", "model.safetensors.index.json"}, {}, bad), Error) << bad;
}

TEST(Selection, OlderGptqFoldersNameTheirWeightsOtherwise) {
  EXPECT_EQ(chosen({"config.json", "quantize_config.json", "gptq_model-4bit-128g.safetensors"}),
            "config.json quantize_config.json gptq_model-4bit-128g.safetensors ");
}

TEST(Selection, GlobsTakeAndLeave) {
  EXPECT_EQ(chosen({"a.json", "sub/b.json", "c.bin"}, {{"*.json"}, {}}), "a.json sub/b.json ");
  EXPECT_EQ(chosen({"a.json", "sub/b.json", "c.bin"}, {{"*"}, {"sub/"}}), "a.json c.bin ");
  EXPECT_EQ(chosen({"config.json", "model.safetensors"}, {{}, {"*.safetensors"}}), "config.json ");
  EXPECT_EQ(chosen({"tokenizer.json", "pytorch_model.bin"}, {{}, {"*.safetensors"}}), "tokenizer.json ");
  EXPECT_THROW(chosen({"a.json"}, {{"*.txt"}, {}}), Error);
}

TEST(Selection, PicklesAreNamed) {
  EXPECT_THROW(chosen({"config.json", "pytorch_model.bin"}), NoSafetensors);
  try {
    chosen({"config.json", "model.Q4.gguf"});
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("model.Q4.gguf"), std::string::npos);
  }
  EXPECT_THROW(chosen({"README.md"}), Error);
}

}  // namespace

}  // namespace gptq::hub
