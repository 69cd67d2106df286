// What quantize() may touch: nothing of the user's is removed, work is bound to its model, one run at a time.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>

#include "core/owner_lock.h"
#include "quantize/journal.h"
#include "quantize/output_folder.h"
#include "tests/quantize/demo_model.h"

namespace gptq::quantization {
namespace {

using testing::contents;
using testing::copy_demo;
using testing::quick_options;
using testing::TempFolder;

void refuse(const QuantizeOptions& options, ErrorKind kind, const std::vector<std::string>& parts) {
  testing::expect_error(kind, parts, [&] { quantize(options); });
}

// Stops after the given layer of 6.
void stop_after(const QuantizeOptions& options, int layer = 2) {
  std::stop_source stop;
  const auto on_progress = [&](const QuantizeProgress& progress) {
    if (progress.phase.rfind("layer " + std::to_string(layer) + "/", 0) == 0) stop.request_stop();
  };
  testing::expect_error(ErrorKind::kInterrupted, {"stopped after layer"},
                        [&] { quantize(options, on_progress, stop.get_token()); });
}

void put(const fs::path& path, const std::string& text = "precious") {
  fs::create_directories(path.parent_path());
  write_file_atomic(path, text);
}

TEST(OutputFolder, ABackupCalledOldStays) {
  const TempFolder folder;
  put(folder / "out.old" / "notes.txt");
  quantize(quick_options(folder / "out"));
  EXPECT_EQ(read_file(folder / "out.old" / "notes.txt"), "precious");
}

TEST(OutputFolder, APartialThatIsNotOursStays) {
  for (const bool force : {false, true}) {
    for (const bool resume : {false, true}) {
      const TempFolder folder;
      QuantizeOptions options = quick_options(folder / "out");
      options.force = force;
      options.resume = resume;
      put(folder / "out.partial" / "photo.jpg");
      refuse(options, ErrorKind::kUsage, {"out.partial", "not made by gptq"});
      EXPECT_EQ(contents(folder / "out.partial").size(), 1u) << "nothing was written there";
      put(folder / "out.partial" / "journal.json", "{\"day\": 1}");
      refuse(options, ErrorKind::kUsage, {"out.partial", "not made by gptq"});
      fs::remove_all(folder / "out.partial");
      put(folder / "out.partial");  // a file
      refuse(options, ErrorKind::kUsage, {"out.partial", "not a folder"});
      EXPECT_EQ(read_file(folder / "out.partial"), "precious");
    }
  }
}

TEST(OutputFolder, AModelCalledPartialOrOldStays) {
  for (const std::string name : {"out.partial", "out.old"}) {
    const TempFolder folder;
    copy_demo(folder / name);
    QuantizeOptions options = quick_options(folder / "out");
    options.model = folder / name;
    options.force = true;
    if (name == "out.partial") {
      refuse(options, ErrorKind::kUsage, {"out.partial", "contains the model"});
    } else {
      quantize(options);
    }
    EXPECT_TRUE(fs::exists(folder / name / "model.safetensors"));
  }
}

TEST(OutputFolder, StrayFilesInPartialAreNamedAndStay) {
  const TempFolder folder;
  QuantizeOptions options = quick_options(folder / "out");
  stop_after(options);
  for (const fs::path& stray : {folder / "out.partial/photo.jpg", folder / "out.partial/model/thesis.doc"}) {
    put(stray);
    for (const bool force : {false, true}) {
      options.force = force;
      options.resume = !force;
      refuse(options, ErrorKind::kUsage, {stray.string(), "did not make"});
    }
    EXPECT_EQ(read_file(stray), "precious");
    fs::remove(stray);
  }
}

TEST(OutputFolder, TemporariesOfAKillDoNotReachTheOutput) {
  const TempFolder folder;
  QuantizeOptions options = quick_options(folder / "out");
  stop_after(options);
  put(folder / "out.partial/journal.json.123-4.tmp");
  put(folder / "out.partial/model/tokenizer.json.123-5.tmp");
  put(folder / "out.partial/model/LICENSE");  // the model has none now
  options.resume = true;
  quantize(options);
  EXPECT_EQ(contents(folder / "out").size(), 6u);
  EXPECT_FALSE(fs::exists(folder / "out.partial"));
}

TEST(OutputFolder, ForceReplacesOnlyOurCheckpoints) {
  const TempFolder folder;
  QuantizeOptions options = quick_options(folder / "out");
  options.force = true;
  put(folder / "out" / "cat.png");
  refuse(options, ErrorKind::kUsage, {"only checkpoints that gptq made", "cat.png"});
  fs::remove(folder / "out" / "cat.png");
  quantize(options);  // into an empty folder
  put(folder / "out" / "cat.png");
  refuse(options, ErrorKind::kUsage, {"only checkpoints that gptq made", "cat.png"});
  EXPECT_EQ(read_file(folder / "out" / "cat.png"), "precious");
  copy_demo(folder / "dense");
  options.output = folder / "dense";
  refuse(options, ErrorKind::kUsage, {"only checkpoints that gptq made", "quantize_config.json"});
  put(folder / "plain");
  options.output = folder / "plain";
  refuse(options, ErrorKind::kUsage, {"the path is a file"});
  EXPECT_EQ(read_file(folder / "plain"), "precious");
}

TEST(OutputFolder, AnEmptyFolderIsTakenWithoutForce) {
  const TempFolder folder;
  fs::create_directory(folder / "out");
  quantize(quick_options(folder / "out"));
  EXPECT_TRUE(fs::exists(folder / "out" / "config.json"));
}

TEST(OutputFolder, NeverTheModelOrAFolderAroundIt) {
  const TempFolder folder;
  copy_demo(folder / "models" / "tiny");
  fs::create_directory_symlink(folder / "models", folder / "link");
  QuantizeOptions options = quick_options(folder / "models");
  options.force = true;
  for (const fs::path& model : {folder / "models/tiny", folder / "link/tiny", folder / "models/../link/tiny"}) {
    options.model = model;
    options.output = folder / "models";
    refuse(options, ErrorKind::kUsage, {"holds files of the model"});
    options.output = folder / "link/tiny";
    refuse(options, ErrorKind::kUsage, {"model's own folder"});
  }
  // A folder of links to weights elsewhere, as caches have them.
  fs::create_directories(folder / "snapshot");
  for (const auto& entry : fs::directory_iterator(folder / "models/tiny"))
    fs::create_symlink(entry.path(), folder / "snapshot" / entry.path().filename());
  options.model = folder / "snapshot";
  options.output = folder / "models/tiny";
  refuse(options, ErrorKind::kUsage, {"holds files of the model"});
  EXPECT_TRUE(fs::exists(folder / "models/tiny/model.safetensors"));
}

TEST(OutputFolder, NamesThatCannotBeMadeAreErrorsBeforeTheWork) {
  const TempFolder folder;
  fs::create_directory_symlink(folder / "nowhere", folder / "dangling");
  fs::create_directory_symlink(folder / "loop", folder / "loop");
  QuantizeOptions options = quick_options("");
  options.model = folder / "absent";  // is not looked at before the output folder is
  options.force = true;
  for (const std::string& name : {std::string("."), std::string(".."), std::string("/"), std::string("x/.."),
                                  (folder / "dangling").string(), (folder / "loop").string(), std::string()}) {
    options.output = name;
    refuse(options, ErrorKind::kUsage, {"folder"});
  }
  options.output = folder / "loop/x";
  refuse(options, ErrorKind::kGeneral, {"loop/x"});
  options.output = folder / std::string(300, 'n');
  refuse(options, ErrorKind::kGeneral, {"nnn", "too long"});
  options.output = folder / std::string(250, 'n');  // with ".partial" it is
  refuse(options, ErrorKind::kGeneral, {"nnn", "too long"});
  options.output = "/proc";
  refuse(options, ErrorKind::kUsage, {"mount point"});
  options.output = fs::current_path().parent_path();
  refuse(options, ErrorKind::kUsage, {"current folder"});
}

TEST(OutputFolder, ASecondRunIsRefusedAndTouchesNothing) {
  const TempFolder folder;
  QuantizeOptions options = quick_options(folder / "out");
  bool tried = false;
  quantize(options, [&](const QuantizeProgress& progress) {
    if (tried || progress.phase.rfind("layer 3/6", 0) != 0) return;
    tried = true;
    for (const bool force : {false, true}) {
      for (const bool resume : {false, true}) {
        QuantizeOptions other = options;
        other.force = force;
        other.resume = resume;
        refuse(other, ErrorKind::kGeneral, {"another gptq", "process " + std::to_string(::getpid())});
      }
    }
  });
  EXPECT_TRUE(tried);
  QuantizeOptions alone = options;
  alone.output = folder / "alone";
  quantize(alone);
  EXPECT_EQ(contents(folder / "out"), contents(folder / "alone"));
}

TEST(OutputFolder, TheLockOfADeadProcessIsFree) {
  const TempFolder folder;
  put(folder / "gptq.lock", "locked by gptq\n1\nelsewhere\n");
  EXPECT_TRUE(OwnerLock::made(folder / "gptq.lock"));
  EXPECT_TRUE(OwnerLock::acquire(folder / "gptq.lock", "testing").has_value());
  put(folder / "other", "a file of the user");
  EXPECT_FALSE(OwnerLock::made(folder / "other"));
}

TEST(OutputFolder, ResumeRefusesOtherWeightsAndNamesThem) {
  const TempFolder folder;
  copy_demo(folder / "model");
  QuantizeOptions options = quick_options(folder / "out");
  options.model = folder / "model";
  stop_after(options);
  options.resume = true;
  for (const std::string tensor : {"model.layers.0.mlp.up_proj.weight", "model.embed_tokens.weight"}) {
    fs::remove_all(folder / "model");
    copy_demo(folder / "model", tensor, [](auto values) { values[5] = {0x3F80}; });
    refuse(options, ErrorKind::kUsage, {tensor, "replaced", "model.safetensors"});
  }
  fs::remove_all(folder / "model");
  copy_demo(folder / "model");  // the same bytes, another file
  EXPECT_EQ(quantize(options).resumed_layers, 2);
}

TEST(OutputFolder, ThePartialOfAnotherModelSaysSo) {
  const TempFolder folder;
  QuantizeOptions options = quick_options(folder / "out");
  stop_after(options);
  copy_demo(folder / "other");
  std::string config = read_file(folder / "other/config.json");
  config.insert(config.find('{') + 1, "\"extra\": 1,");
  write_file_atomic(folder / "other/config.json", config);
  const std::string first = options.model;
  options.model = folder / "other";
  refuse(options, ErrorKind::kUsage, {"the unfinished work of the model " + first, "config.json"});
}

TEST(OutputFolder, DamageOfFinishedTensorsIsNoticed) {
  const TempFolder folder;
  QuantizeOptions options = quick_options(folder / "out");
  stop_after(options);
  const fs::path shard = folder / "out.partial/model/model.safetensors";
  std::string bytes = read_file(shard);
  const checkpoint::SafetensorsFile file(shard);
  const size_t at = file.header().data_offset + file.header().tensors.at("model.layers.1.mlp.up_proj.qweight").begin;
  bytes[at] = static_cast<char>(bytes[at] ^ 1);
  write_file_atomic(shard, bytes);
  options.resume = true;
  refuse(options, ErrorKind::kVerification, {"model.layers.1.mlp.up_proj.qweight", "damaged"});
}

TEST(OutputFolder, AnEditedJournalIsRefused) {
  const TempFolder folder;
  QuantizeOptions options = quick_options(folder / "out");
  stop_after(options);
  std::string text = read_file(folder / "out.partial/journal.json");
  text.replace(text.find("\"layers_done\": 2"), 16, "\"layers_done\": 4");
  write_file_atomic(folder / "out.partial/journal.json", text);
  options.resume = true;
  refuse(options, ErrorKind::kVerification, {"journal.json", "edited"});
  JournalState state;  // with a right checksum, too
  options.resume = false;
  options.force = true;
  stop_after(options);
  state = *Journal(folder / "out.partial").read();
  state.layers_done = 4;
  Journal(folder / "out.partial").write(state);
  options.force = false;
  options.resume = true;
  refuse(options, ErrorKind::kVerification, {"journal", "edited"});
}

TEST(OutputFolder, AnErrorOfAModuleThatIsNoNumberIsRead) {
  const TempFolder folder;
  JournalState state;
  state.modules.push_back({"m", 4, 16, std::nan(""), 0.1, "gptq", 1, 2, 3});
  Journal(folder.path()).write(state);
  EXPECT_TRUE(std::isnan(Journal(folder.path()).read()->modules.at(0).error));
}

// The rename fails; a later run finds everything done, with and without --resume.
TEST(OutputFolder, ACompletePartialIsOnlyRenamed) {
  for (const bool resume : {false, true}) {
    const TempFolder folder;
    QuantizeOptions options = quick_options(folder / "out");
    testing::expect_error(ErrorKind::kUsage, {"complete in", "out.partial/model", "--resume"}, [&] {
      quantize(options, [&](const QuantizeProgress& progress) {
        if (progress.phase == "saving") put(folder / "out" / "cat.png");
      });
    });
    EXPECT_EQ(read_file(folder / "out" / "cat.png"), "precious");
    fs::remove_all(folder / "out");
    options.resume = resume;
    int layers = 0;
    const QuantizeReport report = quantize(
        options, [&](const QuantizeProgress& progress) { layers += progress.phase.rfind("layer ", 0) == 0 ? 1 : 0; });
    EXPECT_EQ(layers, 0);
    EXPECT_EQ(report.resumed_layers, 6);
    options.output = folder / "whole";
    quantize(options);
    EXPECT_EQ(contents(folder / "out"), contents(folder / "whole"));
    EXPECT_FALSE(fs::exists(folder / "out.partial"));
  }
}

TEST(OutputFolder, AModelThatIsWrittenToMeanwhileIsNoticed) {
  const TempFolder folder;
  copy_demo(folder / "model");
  QuantizeOptions options = quick_options(folder / "out");
  options.model = folder / "model";
  bool written = false;
  testing::expect_error(ErrorKind::kVerification, {"model.safetensors", "changed during the run"}, [&] {
    quantize(options, [&](const QuantizeProgress& progress) {
      if (written || progress.phase.rfind("layer 2/6", 0) != 0) return;
      written = true;
      fs::resize_file(folder / "model/model.safetensors", fs::file_size(folder / "model/model.safetensors") + 8);
    });
  });
  EXPECT_FALSE(fs::exists(folder / "out"));
}

}  // namespace
}  // namespace gptq::quantization
