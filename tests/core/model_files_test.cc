// The table of files that go with weights, and which links stay in a model folder.
#include "core/model_files.h"

#include <gtest/gtest.h>

#include "tests/temp_folder.h"

namespace gptq {

namespace {

TEST(ModelFiles, WhatTheTokenizerReadsIsInTheTable) {
  for (const char* name :
       {model_file::kTokenizerJson, model_file::kTekken, model_file::kTokenizerModel, model_file::kTiktokenModel,
        "qwen.tiktoken", model_file::kVocabJson, model_file::kMerges, model_file::kEncoderJson, model_file::kVocabBpe,
        model_file::kVocabText, "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"}) {
    const ModelFile* file = find_model_file(name);
    ASSERT_NE(file, nullptr) << name;
    EXPECT_EQ(file->role, FileRole::kTokenizer) << name;
  }
}

TEST(ModelFiles, PatternsFitWholePaths) {
  EXPECT_EQ(find_model_file("config.json")->role, FileRole::kConfig);
  EXPECT_EQ(find_model_file("LICENSE")->role, FileRole::kLicence);
  EXPECT_EQ(find_model_file("LICENSE-2.0.txt")->role, FileRole::kLicence);
  EXPECT_EQ(find_model_file("chat_template.jinja")->role, FileRole::kChatTemplate);
  EXPECT_EQ(find_model_file("additional_chat_templates/tool_use.jinja")->role, FileRole::kChatTemplate);
  for (const char* name : {"model.safetensors", "modeling.py", "sub/config.json", "config.json.bak", "MY_LICENSE",
                           "additional_chat_templates", "", "vocab.json2"}) {
    EXPECT_EQ(find_model_file(name), nullptr) << name;
  }
}

TEST(ModelFiles, LinksThatLeadOutAreKnown) {
  const testing::TempFolder scratch;
  const fs::path top = scratch.path(), folder = top / "model", snapshot = top / "cache/snapshots/abc";
  for (const fs::path& path : {folder / "sub", snapshot, top / "cache/blobs", top / "model-other"})
    fs::create_directories(path);
  for (const fs::path& path : {folder / "a", top / "secret", top / "cache/blobs/b", top / "model-other/c"})
    write_file_atomic(path, "x");
  fs::create_symlink("../a", folder / "sub/inside");
  fs::create_symlink("../secret", folder / "out");
  fs::create_symlink("out", folder / "chain");
  fs::create_symlink("../model-other/c", folder / "sibling");
  fs::create_symlink("loop", folder / "loop");
  fs::create_directory_symlink("..", folder / "up");
  fs::create_symlink("../../blobs/b", snapshot / "blob");
  fs::create_symlink("../../../secret", snapshot / "out");
  EXPECT_TRUE(stays_in_model_folder(folder, folder / "a"));
  EXPECT_TRUE(stays_in_model_folder(folder, folder / "sub/inside"));
  EXPECT_TRUE(stays_in_model_folder(snapshot, snapshot / "blob"));
  for (const char* link : {"out", "chain", "sibling", "loop", "up/secret", "absent"})
    EXPECT_FALSE(stays_in_model_folder(folder, folder / link)) << link;
  EXPECT_FALSE(stays_in_model_folder(snapshot, snapshot / "out"));
  fs::create_directory_symlink("model", top / "alias");
  EXPECT_TRUE(stays_in_model_folder(top / "alias", top / "alias/a"));
}

}  // namespace

}  // namespace gptq
