// The writer: shards, index, resuming, companion files and configs.
#include "checkpoint/writer.h"
#include "checkpoint/output_config.h"
#include "core/json.h"

#include <thread>

#include "checkpoint/checkpoint.h"
#include "core/log.h"
#include "tests/checkpoint/model_files.h"

namespace gptq::checkpoint {
namespace {

using testing::expect_error;
using testing::golden;
using testing::make_tensor;
using testing::raw_bytes;
using testing::TempFolder;

Tensor bytes_tensor(const TensorSpec& spec, int seed) {
  Tensor tensor(spec.dtype, spec.shape);
  for (size_t i = 0; i < tensor.bytes(); ++i) tensor.data()[i] = static_cast<std::byte>(static_cast<int>(i) * 7 + seed);
  return tensor;
}

const std::vector<TensorSpec> kSpecs = {{"z", DType::kF16, {10, 2}},  {"b", DType::kI32, {5}},
                                        {"a", DType::kBF16, {3}},     {"empty", DType::kF32, {0}},
                                        {"large", DType::kF32, {50}}, {"last", DType::kU8, {7}}};

void write_all(CheckpointWriter& writer) {
  for (size_t i = kSpecs.size(); i-- > 0;) {  // any order
    writer.write(kSpecs[i].name, bytes_tensor(kSpecs[i], static_cast<int>(i)).view());
  }
}

TEST(CheckpointWriter, OneShardIsTheReferenceFile) {
  const TempFolder folder;
  CheckpointWriter writer(folder.path() / "new" / "model", kSpecs, 1'000'000);
  EXPECT_FALSE(writer.resumed());
  write_all(writer);
  writer.finish();
  std::map<std::string, TensorView> views;
  std::vector<Tensor> tensors;
  for (size_t i = 0; i < kSpecs.size(); ++i) tensors.push_back(bytes_tensor(kSpecs[i], static_cast<int>(i)));
  for (size_t i = 0; i < kSpecs.size(); ++i) views.emplace(kSpecs[i].name, tensors[i].view());
  const fs::path made = folder.path() / "new" / "model";
  EXPECT_EQ(read_file(made / "model.safetensors"), safetensors_bytes(views, {{"format", "pt"}}));
  EXPECT_EQ(std::distance(fs::directory_iterator(made), {}), 1);
}

TEST(CheckpointWriter, RewritesTheGoldenFile) {
  const fs::path path = golden("safetensors/types_and_names.safetensors");
  const SafetensorsFile file(path);
  const TempFolder folder;
  std::vector<TensorSpec> specs;
  for (const auto& [name, entry] : file.header().tensors) specs.push_back({name, *entry.dtype, entry.shape});
  CheckpointWriter writer(folder.path(), specs, 1'000'000);
  for (const TensorSpec& spec : specs) writer.write(spec.name, file.tensor(spec.name));
  writer.finish();
  EXPECT_EQ(read_file(folder / "model.safetensors"), read_file(path));
}

TEST(CheckpointWriter, SplitsGreedilyInTheGivenOrder) {
  const auto names = [](int64_t most) {
    std::vector<std::vector<std::string>> result;
    for (const auto& shard : split_into_shards(kSpecs, most)) {
      result.emplace_back();
      for (const TensorSpec& spec : shard) result.back().push_back(spec.name);
    }
    return result;
  };
  // Sizes: z 40, b 20, a 6, empty 0, large 200, last 7.
  EXPECT_EQ(names(60), (std::vector<std::vector<std::string>>{{"z", "b"}, {"a", "empty"}, {"large"}, {"last"}}));
  EXPECT_EQ(names(59), (std::vector<std::vector<std::string>>{{"z"}, {"b", "a", "empty"}, {"large"}, {"last"}}));
  EXPECT_EQ(names(273).size(), 1u);
  EXPECT_EQ(names(1).size(), 6u);
}

TEST(CheckpointWriter, ShardsAndIndex) {
  const TempFolder folder;
  CheckpointWriter writer(folder.path(), kSpecs, 60);
  write_all(writer);
  EXPECT_FALSE(fs::exists(folder / "model.safetensors.index.json"));
  writer.finish();
  EXPECT_EQ(read_file(folder / "model.safetensors.index.json"), R"({
  "metadata": {
    "total_size": 273
  },
  "weight_map": {
    "a": "model-00002-of-00004.safetensors",
    "b": "model-00001-of-00004.safetensors",
    "empty": "model-00002-of-00004.safetensors",
    "large": "model-00003-of-00004.safetensors",
    "last": "model-00004-of-00004.safetensors",
    "z": "model-00001-of-00004.safetensors"
  }
}
)");
  write_file_atomic(folder / "config.json", "{}");
  const Checkpoint checkpoint = Checkpoint::open(folder.path());
  EXPECT_EQ(checkpoint.total_bytes(), 273u);
  for (size_t i = 0; i < kSpecs.size(); ++i) {
    EXPECT_EQ(raw_bytes(checkpoint.tensor(kSpecs[i].name, kSpecs[i].shape)),
              raw_bytes(bytes_tensor(kSpecs[i], static_cast<int>(i)).view()));
  }
}

TEST(CheckpointWriter, Resumes) {
  const TempFolder folder;
  {
    CheckpointWriter writer(folder.path(), kSpecs, 60);
    writer.write("large", bytes_tensor(kSpecs[4], 4).view());
    writer.sync();
  }
  CheckpointWriter writer(folder.path(), kSpecs, 60);
  EXPECT_TRUE(writer.resumed());
  writer.mark_written("large", "");
  for (size_t i : {0u, 1u, 2u, 3u, 5u})
    writer.write(kSpecs[i].name, bytes_tensor(kSpecs[i], static_cast<int>(i)).view());
  writer.finish();
  EXPECT_EQ(raw_bytes(SafetensorsFile(folder / "model-00003-of-00004.safetensors").tensor("large")),
            raw_bytes(bytes_tensor(kSpecs[4], 4).view()));
  // A lost shard is created again, and the caller learns that the output was incomplete.
  fs::remove(folder / "model-00003-of-00004.safetensors");
  EXPECT_FALSE(CheckpointWriter(folder.path(), kSpecs, 60).resumed());
}

TEST(CheckpointWriter, ShardsWhoseHeaderWasNeverWrittenAreMadeAnew) {
  const TempFolder folder;
  const auto size = static_cast<size_t>([&] {
    CheckpointWriter writer(folder.path(), kSpecs, 1000);
    return fs::file_size(folder / "model.safetensors");
  }());
  write_file_atomic(folder / "model.safetensors", std::string(size, '\0'));
  CheckpointWriter writer(folder.path(), kSpecs, 1000);
  EXPECT_FALSE(writer.resumed());
  EXPECT_NO_THROW(SafetensorsFile(folder / "model.safetensors"));
}

TEST(CheckpointWriter, RefusesFoldersWithOtherWeights) {
  const TempFolder folder;
  const std::string file = (folder / "model.safetensors").string();
  { CheckpointWriter writer(folder.path(), kSpecs, 1000); }
  std::vector<TensorSpec> other = kSpecs;
  other[0].name = "y";  // same sizes
  expect_error(ErrorKind::kUsage, {file}, [&] { CheckpointWriter(folder.path(), other, 1000); });
  other[0].shape = {11, 2};
  expect_error(ErrorKind::kUsage, {file}, [&] { CheckpointWriter(folder.path(), other, 1000); });
  expect_error(ErrorKind::kUsage, {folder.path().string(), "model.safetensors"},
               [&] { CheckpointWriter(folder.path(), kSpecs, 60); });
  fs::remove(file);
  write_file_atomic(folder / "model.safetensors.index.json", "{}");
  expect_error(ErrorKind::kUsage, {"model.safetensors.index.json"},
               [&] { CheckpointWriter(folder.path(), kSpecs, 1000); });
}

TEST(CheckpointWriter, Misuse) {
  const TempFolder folder;
  std::vector<TensorSpec> twice = kSpecs;
  twice.push_back(kSpecs[0]);
  expect_error(ErrorKind::kUsage, {"\"z\"", "twice"}, [&] { CheckpointWriter(folder.path() / "x", twice, 60); });

  CheckpointWriter writer(folder.path() / "y", kSpecs, 60);
  expect_error(ErrorKind::kGeneral, {"nothing"}, [&] { writer.write("nothing", bytes_tensor(kSpecs[0], 0).view()); });
  expect_error(ErrorKind::kGeneral, {"\"z\"", "[5]"}, [&] { writer.write("z", bytes_tensor(kSpecs[1], 0).view()); });
  expect_error(ErrorKind::kGeneral, {"never written"}, [&] { writer.finish(); });
}

TEST(CheckpointWriter, ManyThreads) {
  std::vector<TensorSpec> specs;
  for (int i = 0; i < 64; ++i) specs.push_back({std::to_string(i), DType::kU8, {1000 + i}});
  const TempFolder folder;
  CheckpointWriter writer(folder.path(), specs, 10'000);
  std::vector<std::thread> threads;
  for (size_t part = 0; part < 4; ++part) {
    threads.emplace_back([&, part] {
      for (size_t i = part; i < specs.size(); i += 4)
        writer.write(specs[i].name, bytes_tensor(specs[i], static_cast<int>(i)).view());
    });
  }
  for (std::thread& thread : threads) thread.join();
  writer.finish();
  write_file_atomic(folder / "config.json", "{}");
  const Checkpoint checkpoint = Checkpoint::open(folder.path());
  for (size_t i = 0; i < specs.size(); ++i) {
    EXPECT_EQ(raw_bytes(checkpoint.tensor(specs[i].name)),
              raw_bytes(bytes_tensor(specs[i], static_cast<int>(i)).view()));
  }
}

TEST(CheckpointWriter, TooLargeAFileFailsBeforeAnyWork) {
  const TempFolder folder;
  const TensorSpec huge{"huge", DType::kF32, {int64_t{1} << 60}};
  expect_error(ErrorKind::kGeneral, {folder.path().string(), "model.safetensors"},
               [&] { CheckpointWriter(folder.path(), {huge}, INT64_MAX); });
}

TEST(CompanionFiles, CopiesTheRightOnes) {
  const TempFolder from, to;
  const std::vector<std::string> wanted = {"tokenizer.json",
                                           "tokenizer_config.json",
                                           "special_tokens_map.json",
                                           "added_tokens.json",
                                           "vocab.json",
                                           "merges.txt",
                                           "tokenizer.model",
                                           "qwen.tiktoken",
                                           "vocab.bpe",
                                           "encoder.json",
                                           "tekken.json",
                                           "chat_template.jinja",
                                           "chat_template.json",
                                           "generation_config.json",
                                           "LICENSE",
                                           "LICENSE.txt",
                                           "NOTICE.md"};
  const std::vector<std::string> unwanted = {"config.json",       "model.safetensors", "model.safetensors.index.json",
                                             "pytorch_model.bin", "README.md",         "quantize_config.json",
                                             "modeling.py"};
  for (const std::string& name : wanted) write_file_atomic(from / name, std::string("\0\xff", 2) + name);
  for (const std::string& name : unwanted) write_file_atomic(from / name, name);
  fs::create_directory(from / "additional_chat_templates");
  write_file_atomic(from / "additional_chat_templates/tool_use.jinja", "tools");
  write_file_atomic(from / "additional_chat_templates/rag", "other");
  write_file_atomic(to / "tokenizer.json", "old");
  copy_companion_files(from.path(), to.path());
  for (const std::string& name : wanted) EXPECT_EQ(read_file(to / name), std::string("\0\xff", 2) + name);
  for (const std::string& name : unwanted) EXPECT_FALSE(fs::exists(to / name)) << name;
  EXPECT_EQ(read_file(to / "additional_chat_templates/tool_use.jinja"), "tools");
  EXPECT_EQ(read_file(to / "additional_chat_templates/rag"), "other");
}

TEST(CompanionFiles, LinksOutOfTheFolderAreNotCopied) {
  const TempFolder from, to, elsewhere;
  write_file_atomic(elsewhere / "id_rsa", "secret");
  write_file_atomic(from / "LICENSE", "terms");
  fs::create_directory(from / "additional_chat_templates");
  fs::create_symlink(elsewhere / "id_rsa", from / "tokenizer.model");
  fs::create_symlink(elsewhere / "id_rsa", from / "NOTICE");
  fs::create_symlink(elsewhere / "id_rsa", from / "additional_chat_templates/x.jinja");
  fs::create_symlink("LICENSE", from / "LICENSE.md");
  std::string said;
  set_log_sink([&](LogLevel, const std::string& text) { said += text + "\n"; });
  copy_companion_files(from.path(), to.path());
  set_log_sink({});
  EXPECT_EQ(read_file(to / "LICENSE.md"), "terms");
  for (const char* name : {"tokenizer.model", "NOTICE", "additional_chat_templates/x.jinja"}) {
    EXPECT_FALSE(fs::exists(to / name)) << name;
    EXPECT_NE(said.find(std::string(name) + " is a link"), std::string::npos) << said;
  }
}

TEST(CompanionFiles, ASnapshotOfTheCacheHasLinksToItsBlobs) {
  const TempFolder cache, to;
  const std::string commit(40, 'c');
  fs::create_directories(cache / "models--o--n/blobs");
  fs::create_directories(cache / ("models--o--n/snapshots/" + commit));
  write_file_atomic(cache / "models--o--n/blobs/aa", "tokens");
  const fs::path snapshot = cache / ("models--o--n/snapshots/" + commit);
  fs::create_symlink("../../blobs/aa", snapshot / "tokenizer.json");
  fs::create_symlink("../../../outside", snapshot / "LICENSE");
  write_file_atomic(cache / "outside", "secret");
  copy_companion_files(snapshot, to.path());
  EXPECT_EQ(read_file(to / "tokenizer.json"), "tokens");
  EXPECT_FALSE(fs::exists(to / "LICENSE"));
}

TEST(Configs, KeepTheSourceAndAddTheQuantization) {
  const TempFolder folder;
  const std::string source = R"({"zeta": 1, "alpha": 1e-05, "name": "größe", "rope_theta": 1000000.0,
                                 "quantization_config": {"old": true}, "last": [1, 2]})";
  QuantizeConfig config;
  config.bits = 3;
  *config.meta = {{"quantizer", {"gptq:0.1.0"}}};
  write_configs(folder.path(), parse_ordered_json(source, "source"), config);
  const std::string text = read_file(folder / "config.json");
  EXPECT_EQ(
      text.rfind("{\n  \"zeta\": 1,\n  \"alpha\": 1e-05,\n  \"name\": \"größe\",\n  \"rope_theta\": 1000000.0,\n", 0),
      0u)
      << text;
  const OrderedJson written = parse_ordered_json(text, "config.json");
  EXPECT_EQ(written["quantization_config"], to_json(config));
  EXPECT_EQ(parse_ordered_json(read_file(folder / "quantize_config.json"), "q"), to_json(config));
  EXPECT_EQ(written["last"].size(), 2u);
}

// The config.json written for `source`, without its quantization config.
OrderedJson written_config(const std::string& source) {
  OrderedJson config = output_config(parse_ordered_json(source, "source"), QuantizeConfig());
  EXPECT_TRUE(config.contains("quantization_config"));
  config.erase("quantization_config");
  return config;
}

TEST(Configs, AreReadAlikeByBothGenerationsOfTransformers) {
  EXPECT_EQ(
      written_config(R"({"rope_parameters": {"rope_type": "default", "rope_theta": 5e5}, "dtype": "bfloat16"})").dump(),
      R"({"rope_parameters":{"rope_type":"default","rope_theta":500000.0},"dtype":"bfloat16",)"
      R"("rope_theta":500000.0,"torch_dtype":"bfloat16"})");
  const OrderedJson scaled = written_config(
      R"({"rope_parameters": {"rope_type": "llama3", "rope_theta": 5e5, "factor": 8.0, "partial_rotary_factor": 0.5}})");
  EXPECT_EQ(scaled["rope_theta"], 5e5);
  EXPECT_EQ(scaled["partial_rotary_factor"], 0.5);
  EXPECT_EQ(scaled["rope_scaling"].dump(), R"({"rope_type":"llama3","factor":8.0})");
  EXPECT_EQ(scaled["rope_parameters"]["rope_theta"], 5e5);
  // What the source says under the old names, or only there, is kept unchanged.
  for (const char* source :
       {R"({"rope_theta":1.0,"rope_scaling":{"type":"linear","factor":2.0},"torch_dtype":"float16"})",
        R"({"rope_parameters":{"rope_theta":2.0},"rope_theta":1.0})", R"({"rope_parameters":null})",
        R"({"rope_parameters":[1],"dtype":3})"}) {
    EXPECT_EQ(written_config(source), parse_ordered_json(source, "source")) << source;
  }
}

TEST(Configs, DoNotPointToCodeThatIsNotThere) {
  EXPECT_EQ(written_config(R"({"a": 1, "auto_map": {"AutoConfig": "configuration_x.C"}, "b": 2})").dump(),
            R"({"a":1,"b":2})");
  const TempFolder from, to;
  write_file_atomic(from / "tokenizer_config.json",
                    R"({"b": "é", "auto_map": {"AutoTokenizer": ["t.T", null]}, "a": 1})");
  write_file_atomic(from / "special_tokens_map.json", R"({"auto_map":   1})");
  copy_companion_files(from / ".", to / ".");
  EXPECT_EQ(read_file(to / "tokenizer_config.json"), "{\n  \"b\": \"é\",\n  \"a\": 1\n}\n");
  EXPECT_EQ(read_file(to / "special_tokens_map.json"), R"({"auto_map":   1})");
}

}  // namespace
}  // namespace gptq::checkpoint
