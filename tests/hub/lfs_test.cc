// Replies of the upload endpoints: what is understood, and what is refused.
#include "hub/upload/lfs.h"

#include <gtest/gtest.h>

#include "hub/upload/commit.h"

namespace gptq::hub {

namespace {

const std::string kOid(64, 'a');

std::string object(const std::string& rest) {
  return R"({"transfer": "basic", "objects": [{"oid": ")" + kOid + R"(", "size": 10)" + rest + "}]}";
}

LfsAction parse_action(const std::string& json, int64_t size = 10) {
  return parse_batch(json, {{"model.safetensors", "", size, kOid}}, "the answer").at(0);
}

std::string error_of(const std::string& json, int64_t size = 10) {
  try {
    parse_action(json, size);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(LfsBatch, NothingToDoForWhatIsStored) {
  EXPECT_TRUE(parse_action(object("")).stored);
  EXPECT_TRUE(parse_action(object(R"(, "actions": null)")).stored);
  EXPECT_TRUE(parse_action(object(R"(, "actions": {})")).stored);
}

TEST(LfsBatch, OnePiece) {
  const LfsAction action = parse_action(object(R"(, "actions": {"upload": {"href": "https://s/x", "header": {"A": "b"}},
                                                         "verify": {"href": "https://h/v"}})"));
  EXPECT_FALSE(action.stored);
  EXPECT_EQ(action.href, "https://s/x");
  EXPECT_TRUE(action.parts.empty());
  EXPECT_EQ(action.verify, "https://h/v");
}

TEST(LfsBatch, PartsInTheOrderOfTheirNumbers) {
  const LfsAction action = parse_action(object(R"(, "actions": {"upload": {"href": "https://h/done", "header":
      {"chunk_size": "4", "00002": "https://s/2", "00001": "https://s/1", "3": "https://s/3", "other": "x"}}})"));
  EXPECT_EQ(action.part_size, 4);
  EXPECT_EQ(action.parts, (std::vector<std::string>{"https://s/1", "https://s/2", "https://s/3"}));
}

TEST(LfsBatch, RefusesWhatCannotBe) {
  const auto upload = [](const std::string& value) { return object(R"(, "actions": {"upload": )" + value + "}"); };
  const auto parts = [&](const std::string& header) {
    return upload(R"({"href": "https://h/done", "header": {)" + header + "}}");
  };
  for (const std::string& json :
       {std::string("[]"), std::string("{}"), std::string(R"({"objects": {}})"), std::string(R"({"objects": []})"),
        std::string(R"({"objects": [{"oid": "b"}]})"), object(R"(, "actions": [])"), upload("[]"), upload("{}"),
        upload(R"({"href": "file:///etc/passwd"})"), upload(R"({"href": 3})"),
        parts(R"("chunk_size": "0", "1": "https://s/1")"), parts(R"("chunk_size": "-4", "1": "https://s/1")"),
        parts(R"("chunk_size": "x")"), parts(R"("chunk_size": 9223372036854775807)"),
        parts(R"("chunk_size": "4", "1": "https://s/1", "2": "https://s/2")"),
        parts(R"("chunk_size": "4", "1": "https://s/1", "2": "https://s/2", "4": "https://s/4")"),
        parts(R"("chunk_size": "10", "1": "ftp://s/1")")}) {
    EXPECT_NE(error_of(json), "") << json;
  }
  EXPECT_NE(error_of(parts(R"("chunk_size": "1", "1": "https://s/1")"), int64_t{1} << 62), "");
}

TEST(LfsBatch, RefusalsOfSingleObjectsNameTheFile) {
  const std::string text = error_of(object(R"(, "error": {"code": 403, "message": "quota exceeded"})"));
  EXPECT_NE(text.find("model.safetensors"), std::string::npos);
  EXPECT_NE(text.find("quota exceeded"), std::string::npos);
}

TEST(Preupload, TakesTheHubsWordForEachFile) {
  std::vector<UploadFile> files(3);
  files[0].path = "a", files[0].size = 5;
  files[1].path = "b", files[1].size = 0;
  files[2].path = "c", files[2].size = 5;
  take_preupload(R"({"files": [{"path": "c", "uploadMode": "regular", "shouldIgnore": true},
                               {"path": "b", "uploadMode": "lfs", "oid": null},
                               {"path": "a", "uploadMode": "lfs", "oid": "abc", "shouldIgnore": false}]})",
                 0, 3, files, "the answer");
  EXPECT_TRUE(files[0].lfs);
  EXPECT_EQ(files[0].remote_oid, "abc");
  EXPECT_FALSE(files[1].lfs);  // empty
  EXPECT_TRUE(files[2].ignored);
  for (const char* json : {"{}", R"({"files": 1})", R"({"files": []})", R"({"files": [1]})",
                           R"({"files": [{"path": "a", "uploadMode": "magic"}]})"}) {
    EXPECT_THROW(take_preupload(json, 0, 1, files, "the answer"), Error) << json;
  }
}

TEST(Commit, OneJsonObjectALine) {
  UploadFile small, large;
  small.path = "a \"b\".txt", small.content = "hi\n", small.size = 3;
  large.path = "model.safetensors", large.lfs = true, large.oid = kOid, large.size = 10;
  EXPECT_EQ(commit_lines({"org/x", "main", false, "Say \"hi\""}, {&small, &large}),
            R"({"key":"header","value":{"description":"","summary":"Say \"hi\""}})"
            "\n"
            R"({"key":"file","value":{"content":"aGkK","encoding":"base64","path":"a \"b\".txt"}})"
            "\n"
            R"({"key":"lfsFile","value":{"algo":"sha256","oid":")" +
                kOid + R"(","path":"model.safetensors","size":10}})" + "\n");
}

}  // namespace

}  // namespace gptq::hub
