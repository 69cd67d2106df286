// A quantized model without a folder of its own: where it lies, how it is saved, and what saving never touches.
#include <gtest/gtest.h>

#include <gptq/engine.h>
#include <gptq/quantize.h>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/quantize/demo_model.h"

namespace gptq::quantization {
namespace {

using testing::contents;
using testing::TempFolder;

QuantizeOptions options_without_output() { return testing::quick_options(""); }

size_t entries(const fs::path& folder) {
  return static_cast<size_t>(std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

TEST(QuantizedModel, SavesWhatQuantizeWritesAsOftenAsAsked) {
  const TempFolder folder;
  quantize(testing::quick_options(folder / "direct"));
  {
    const QuantizedModel model = QuantizedModel::create(options_without_output(), folder / "work");
    EXPECT_EQ(entries(folder / "work"), 1u);
    EXPECT_EQ(Engine::open(model.folder()).vocab_size(), 4096);
    model.save(folder / "a/b");
    model.save(folder / "a/b");
    EXPECT_EQ(contents(folder / "a/b"), contents(folder / "direct"));
    EXPECT_EQ(model.report().modules.size(), 42u);
  }
  EXPECT_EQ(entries(folder / "work"), 0u) << "the temporary folder goes with the object";
}

TEST(QuantizedModel, ReplacesACheckpointAndNothingElse) {
  const TempFolder folder;
  QuantizeOptions sharded = testing::quick_options(folder / "out");
  sharded.max_shard_bytes = 6'000'000;
  quantize(sharded);
  ASSERT_GT(contents(folder / "out").count("model.safetensors.index.json"), 0u);
  write_file_atomic(folder / "out/notes.txt", "mine");
  write_file_atomic(folder / "out/adapter.safetensors", "mine too");
  const QuantizedModel model = QuantizedModel::create(options_without_output(), folder / "work");
  model.save(folder / "out");
  const auto files = contents(folder / "out");
  EXPECT_EQ(files.at("notes.txt"), "mine");
  EXPECT_EQ(files.at("adapter.safetensors"), "mine too");
  EXPECT_EQ(files.count("model.safetensors.index.json"), 0u);
  EXPECT_EQ(files.count("model-00001-of-00003.safetensors"), 0u);
  EXPECT_EQ(files.size(), contents(model.folder()).size() + 2) << "no shard of the checkpoint before is left";
  EXPECT_EQ(Engine::open(folder / "out").vocab_size(), 4096);
}

TEST(QuantizedModel, RefusesFoldersThatWouldLoseSomething) {
  const TempFolder folder;
  testing::copy_demo(folder / "model");
  testing::copy_demo(folder / "other");
  QuantizeOptions options = options_without_output();
  options.model = folder / "model";
  const QuantizedModel model = QuantizedModel::create(options, folder / "work");
  const auto before = contents(folder / "other");
  testing::expect_error(ErrorKind::kUsage, {"the model"}, [&] { model.save(folder / "model"); });
  testing::expect_error(ErrorKind::kUsage, {"not quantized"}, [&] { model.save(folder / "other"); });
  EXPECT_EQ(contents(folder / "other"), before);
  write_file_atomic(folder / "other/quantize_config.json", "{}");  // beside a config.json of original weights
  testing::expect_error(ErrorKind::kUsage, {"not quantized"}, [&] { model.save(folder / "other"); });
  testing::expect_error(ErrorKind::kUsage, {"not quantized"},
                        [&] { copy_checkpoint(model.folder(), folder / "other"); });
  testing::expect_error(ErrorKind::kUsage, {"not quantized"},
                        [&] { copy_checkpoint(folder / "other", folder / "new"); });
  EXPECT_FALSE(fs::exists(folder / "new"));
  EXPECT_EQ(testing::contents(folder / "other").at("model.safetensors"), before.at("model.safetensors"));
  copy_checkpoint(model.folder(), folder / "copy");
  EXPECT_EQ(contents(folder / "copy"), contents(model.folder()));
  write_file_atomic(folder / "file", "x");
  testing::expect_error(ErrorKind::kUsage, {"a file"}, [&] { model.save(folder / "file"); });
  testing::expect_error(ErrorKind::kUsage, {"no folder"}, [&] { model.save(""); });
  options.output = folder / "out";
  testing::expect_error(ErrorKind::kUsage, {"use save()"}, [&] { QuantizedModel::create(options, folder / "work"); });
}

TEST(QuantizedModel, AFailedSaveLeavesTheFolderAsItWas) {
  const TempFolder folder;
  const QuantizedModel model = QuantizedModel::create(options_without_output(), folder / "work");
  model.save(folder / "out");
  fs::remove(folder / "out/model.safetensors");
  fs::create_directory(folder / "out/model.safetensors");  // cannot be replaced
  const std::string config = read_file(folder / "out/config.json");
  testing::expect_error(ErrorKind::kUsage, {"model.safetensors"}, [&] { model.save(folder / "out"); });
  EXPECT_EQ(read_file(folder / "out/config.json"), config);
  for (const auto& entry : fs::directory_iterator(folder / "out")) EXPECT_NE(entry.path().extension(), ".tmp");
}

TEST(QuantizedModel, RemovesWhatKilledProcessesLeft) {
  const TempFolder folder;
  const pid_t child = ::fork();
  if (child == 0) {
    const QuantizedModel model = QuantizedModel::create(options_without_output(), folder / "work");
    ::kill(::getpid(), SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  ASSERT_EQ(entries(folder / "work"), 1u);
  fs::create_directory(folder / "work/unsaved-mine");  // without a lock of gptq
  const QuantizedModel one = QuantizedModel::create(options_without_output(), folder / "work");
  const QuantizedModel two = QuantizedModel::create(options_without_output(), folder / "work");
  EXPECT_EQ(entries(folder / "work"), 3u) << "those in use and the one that is not ours";
}

}  // namespace
}  // namespace gptq::quantization
