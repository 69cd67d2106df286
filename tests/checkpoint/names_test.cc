// Folders as people have them: weight files of any name, names without "model.", and heads that are tied or not.
#include "core/json.h"
#include "checkpoint/checkpoint.h"

#include "tests/checkpoint/model_files.h"

namespace gptq::checkpoint {
namespace {

using testing::expect_error;
using testing::LogCapture;
using testing::make_tensor;

const char kEmbedding[] = "model.embed_tokens.weight";
const char kHead[] = "lm_head.weight";

class NamesTest : public ::testing::Test {
 protected:
  NamesTest() { config(R"({"model_type":"llama"})"); }
  void config(const std::string& text) { write("config.json", text); }
  void tied(bool value) { config(std::string(R"({"tie_word_embeddings":)") + (value ? "true" : "false") + "}"); }
  void write(const std::string& name, const std::string& text) { write_file_atomic(folder_ / name, text); }
  void weights(const std::string& file, const std::map<std::string, const Tensor*>& tensors) {
    testing::write_tensors(folder_ / file, tensors);
  }
  Checkpoint open() const { return Checkpoint::open(folder_.path()); }

  testing::TempFolder folder_;
  Tensor a_ = make_tensor<float>(DType::kF32, {2, 2}, {1, 2, 3, 4});
  Tensor b_ = make_tensor<float>(DType::kF32, {2, 2}, {1, 2, 3, 5});
};

TEST_F(NamesTest, TheOnlyWeightFileIsTaken) {
  weights("somemodel-7B-GPTQ-4bit-128g.no-act.order.safetensors", {{"a", &a_}});
  weights("adapter_model.safetensors", {{"x", &a_}});
  weights("consolidated.safetensors", {{"y", &a_}});
  EXPECT_EQ(open().names(), (std::vector<std::string>{"a"}));
  weights("another.safetensors", {{"a", &b_}});
  expect_error(ErrorKind::kNotFound,
               {"2 weight files", "another.safetensors", "no-act.order.safetensors", "rename it to model.safetensors"},
               [&] { open(); });
  weights("model.safetensors", {{"m", &b_}});
  EXPECT_EQ(open().names(), (std::vector<std::string>{"m"}));
}

TEST_F(NamesTest, TheOnlyIndexIsTaken) {
  weights("x.safetensors", {{"a", &a_}});
  weights("y.safetensors", {{"b", &a_}});
  write("other.safetensors.index.json", R"({"weight_map":{"a":"x.safetensors"}})");
  EXPECT_EQ(open().names(), (std::vector<std::string>{"a"}));
}

TEST_F(NamesTest, ShardsNeedNoIndex) {
  weights("model-00001-of-00002.safetensors", {{"a", &a_}});
  expect_error(ErrorKind::kNotFound, {"1 missing file(s): model-00002-of-00002.safetensors"}, [&] { open(); });
  weights("model-00002-of-00002.safetensors", {{"b", &b_}});
  const Checkpoint checkpoint = open();
  EXPECT_EQ(checkpoint.names(), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(checkpoint.file_of("b"), "model-00002-of-00002.safetensors");
  weights("model-00002-of-00002.safetensors", {{"a", &b_}});
  expect_error(ErrorKind::kVerification, {"\"a\" is in two files"}, [&] { open(); });
  fs::rename(folder_ / "model-00002-of-00002.safetensors", folder_ / "model-00002-of-00003.safetensors");
  expect_error(ErrorKind::kNotFound, {"2 weight files", "rename"}, [&] { open(); });
}

TEST_F(NamesTest, HostileIndexesAreRefusedEarly) {
  const std::string path = (folder_ / "model.safetensors.index.json").string();
  std::string text = R"({"weight_map":{)";
  for (size_t i = 0; i <= 1'000'000; ++i) text += "\"" + std::to_string(i) + R"(":"x",)";
  write("model.safetensors.index.json", text + R"("y":"x"}})");
  expect_error(ErrorKind::kVerification, {path, "weight_map", "more than 1000000"}, [&] { open(); });
  write("model.safetensors.index.json", R"({"metadata":)" + std::string(100, '[') + std::string(100, ']') + "}");
  expect_error(ErrorKind::kVerification, {path, "nesting"}, [&] { open(); });
  write("model.safetensors.index.json", R"({"weight_map":{"a":"x"},"weight_map":{"a":"x"}})");
  expect_error(ErrorKind::kVerification, {path, "twice"}, [&] { open(); });
  write("model.safetensors.index.json", R"({"weight_map":{"a":"x","a":"x"}})");
  expect_error(ErrorKind::kVerification, {path, "twice"}, [&] { open(); });
}

TEST_F(NamesTest, MissingPrefixesAreCompleted) {
  weights("model.safetensors", {{"embed_tokens.weight", &a_},
                                {"layers.0.input_layernorm.weight", &a_},
                                {"layers.0.mlp.up_proj.weight", &b_},
                                {"norm.weight", &a_},
                                {kHead, &b_}});
  const Checkpoint checkpoint = open();
  EXPECT_EQ(checkpoint.names(), (std::vector<std::string>{kHead, kEmbedding, "model.layers.0.input_layernorm.weight",
                                                          "model.layers.0.mlp.up_proj.weight", "model.norm.weight"}));
  EXPECT_EQ(testing::raw_bytes(checkpoint.tensor("model.layers.0.mlp.up_proj.weight")), testing::raw_bytes(b_.view()));
  EXPECT_EQ(checkpoint.entry(kEmbedding).shape, (Shape{2, 2}));
  EXPECT_EQ(checkpoint.total_bytes(), 5u * 16);
}

TEST_F(NamesTest, NamesOfOtherModelsStayAsTheyAre) {
  weights("model.safetensors", {{"h.0.attn.weight", &a_}, {"wte.weight", &a_}});
  EXPECT_EQ(open().names(), (std::vector<std::string>{"h.0.attn.weight", "wte.weight"}));
}

TEST_F(NamesTest, AStoredHeadCountsMoreThanTheConfig) {
  tied(true);
  weights("model.safetensors", {{kEmbedding, &a_}, {kHead, &b_}});
  const LogCapture log;
  const Checkpoint checkpoint = open();
  EXPECT_TRUE(checkpoint.contains(kHead));
  EXPECT_EQ(checkpoint.config()["tie_word_embeddings"], false);
  EXPECT_EQ(checkpoint.ordered_config()["tie_word_embeddings"], false);
  ASSERT_EQ(log.warnings.size(), 1u);
  for (const char* part : {"tie_word_embeddings", "lm_head", "differs"})
    EXPECT_NE(log.warnings[0].find(part), std::string::npos) << log.warnings[0];
}

TEST_F(NamesTest, APackedHeadCountsMoreThanTheConfig) {
  tied(true);
  weights("model.safetensors", {{kEmbedding, &a_}, {"lm_head.qweight", &b_}});
  const LogCapture log;
  EXPECT_EQ(open().config()["tie_word_embeddings"], false);
  ASSERT_EQ(log.warnings.size(), 1u);
  EXPECT_NE(log.warnings[0].find("quantized"), std::string::npos);
}

TEST_F(NamesTest, TheSameTableTwiceIsOne) {
  tied(true);
  weights("model.safetensors", {{kEmbedding, &a_}, {kHead, &a_}});
  const LogCapture log;
  const Checkpoint checkpoint = open();
  EXPECT_EQ(checkpoint.names(), (std::vector<std::string>{kEmbedding}));
  EXPECT_EQ(checkpoint.config()["tie_word_embeddings"], true);
  EXPECT_EQ(checkpoint.ordered_config()["tie_word_embeddings"], true);
  EXPECT_TRUE(log.warnings.empty());
}

TEST_F(NamesTest, AnUntiedModelKeepsBothTables) {
  for (const char* text : {R"({"tie_word_embeddings":false})", "{}"}) {
    config(text);
    weights("model.safetensors", {{kEmbedding, &a_}, {kHead, &a_}});
    EXPECT_EQ(open().names(), (std::vector<std::string>{kHead, kEmbedding}));
  }
}

TEST_F(NamesTest, OnlyTheHeadIsStored) {
  tied(true);
  weights("model.safetensors", {{kHead, &b_}});
  EXPECT_EQ(open().names(), (std::vector<std::string>{kEmbedding}));
  EXPECT_EQ(testing::raw_bytes(open().tensor(kEmbedding)), testing::raw_bytes(b_.view()));
  tied(false);
  expect_error(ErrorKind::kVerification, {kEmbedding, "only lm_head.weight", "\"tie_word_embeddings\" to true"},
               [&] { open().tensor(kEmbedding); });
}

TEST_F(NamesTest, ATiedHeadMayBeListedAndNotStored) {
  tied(true);
  weights("one.safetensors", {{kEmbedding, &a_}});
  write("model.safetensors.index.json",
        R"({"weight_map":{"model.embed_tokens.weight":"one.safetensors","lm_head.weight":"one.safetensors"}})");
  EXPECT_EQ(open().names(), (std::vector<std::string>{kEmbedding}));
  tied(false);
  expect_error(ErrorKind::kVerification, {"1 missing tensor(s): lm_head.weight"}, [&] { open(); });
}

TEST_F(NamesTest, AMissingHeadNamesTheKey) {
  weights("model.safetensors", {{kEmbedding, &a_}});
  config("{}");
  expect_error(ErrorKind::kVerification, {kHead, "has no \"tie_word_embeddings\"; set it to true", "fetch"},
               [&] { open().tensor(kHead); });
  tied(false);
  expect_error(ErrorKind::kVerification, {kHead, "\"tie_word_embeddings\": false; set it to true"},
               [&] { open().tensor(kHead); });
}

TEST_F(NamesTest, APartOfALargerModelIsNamed) {
  weights("model.safetensors", {{"language_model.model.embed_tokens.weight", &a_}});
  expect_error(ErrorKind::kVerification, {"language_model.model.embed_tokens.weight", "larger model"},
               [&] { open().tensor(kEmbedding); });
}

}  // namespace
}  // namespace gptq::checkpoint
