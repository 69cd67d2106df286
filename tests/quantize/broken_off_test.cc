// Runs that end early while the writer is behind: what the journal then says is true, and --resume goes on.
#include <gtest/gtest.h>

#include <optional>

#include "quantize/journal.h"
#include "tests/checkpoint/full_disk.h"
#include "tests/quantize/demo_model.h"

namespace gptq::quantization {
namespace {

using testing::contents;
using testing::quick_options;
using testing::TempFolder;

int layers_in_journal(const QuantizeOptions& options) {
  const auto state = Journal(options.output + ".partial").read();
  if (!state) return 0;
  EXPECT_EQ(state->modules.size(), static_cast<size_t>(7 * state->layers_done));
  return state->layers_done;
}

void expect_same_bytes_after_resuming(QuantizeOptions options, const TempFolder& folder) {
  const int finished = layers_in_journal(options);
  options.resume = true;
  EXPECT_EQ(quantize(options).resumed_layers, finished);
  QuantizeOptions whole = options;
  whole.resume = false;
  whole.output = folder / "whole";
  quantize(whole);
  EXPECT_TRUE(contents(whole.output) == contents(options.output));
}

TEST(BrokenOff, TheLayersAStoppedRunNamesAreInTheJournal) {
  for (const int layer : {1, 3, 5}) {
    const TempFolder folder;
    const QuantizeOptions options = quick_options(folder / "out");
    std::stop_source stop;
    const auto on_progress = [&](const QuantizeProgress& progress) {
      if (progress.phase.rfind("layer " + std::to_string(layer) + "/", 0) == 0) stop.request_stop();
    };
    testing::expect_error(ErrorKind::kInterrupted, {"stopped after layer " + std::to_string(layer) + " of 6"},
                          [&] { quantize(options, on_progress, stop.get_token()); });
    EXPECT_EQ(layers_in_journal(options), layer);
  }
}

// Stopped, with the last layer's journal still to be written and no place for it: no word of a layer that is not there.
TEST(BrokenOff, AStopThatTheDiskDoesNotLetThroughIsAnErrorOfTheDisk) {
  const TempFolder folder;
  const QuantizeOptions options = quick_options(folder / "out");
  {
    std::stop_source stop;
    std::optional<testing::FullDisk> disk;
    const auto on_progress = [&](const QuantizeProgress& progress) {
      if (progress.module == nullptr || progress.module->name != "model.layers.3.mlp.down_proj") return;
      ASSERT_TRUE(testing::eventually([&] { return layers_in_journal(options) == 3; }));
      stop.request_stop();
      disk.emplace(100);
    };
    testing::expect_error(ErrorKind::kGeneral, {"writing", "out.partial/", "disk space"},
                          [&] { quantize(options, on_progress, stop.get_token()); });
  }
  EXPECT_EQ(layers_in_journal(options), 3);
  expect_same_bytes_after_resuming(options, folder);
}

TEST(BrokenOff, ADiskThatFillsUpNamesTheFileAndKeepsWhatIsThere) {
  const TempFolder folder;
  const QuantizeOptions options = quick_options(folder / "out");
  {
    std::optional<testing::FullDisk> disk;
    const auto on_progress = [&](const QuantizeProgress& progress) {
      if (disk || progress.phase.rfind("layer 4/6", 0) != 0) return;
      // Behind what the writer may still have in its queue.
      ASSERT_TRUE(testing::eventually([&] { return layers_in_journal(options) == 3; }));
      disk.emplace(100'000);
    };
    testing::expect_error(ErrorKind::kGeneral, {"writing", "out.partial/model/model.safetensors", "disk space"},
                          [&] { quantize(options, on_progress); });
  }
  EXPECT_FALSE(fs::exists(options.output));
  EXPECT_EQ(layers_in_journal(options), 3);
  expect_same_bytes_after_resuming(options, folder);
}

TEST(BrokenOff, ADiskThatIsFullInTheFirstLayerLeavesNothing) {
  const TempFolder folder;
  const QuantizeOptions options = quick_options(folder / "out");
  std::optional<testing::FullDisk> disk;
  const auto on_progress = [&](const QuantizeProgress&) {
    if (!disk) disk.emplace(100'000);
  };
  testing::expect_error(ErrorKind::kGeneral, {"writing", "out.partial/model/model.safetensors", "disk space"},
                        [&] { quantize(options, on_progress); });
  EXPECT_FALSE(fs::exists(options.output + ".partial"));
}

// The error comes from the quantizing thread while the layer before may still wait for the disk.
TEST(BrokenOff, AnErrorInALayerKeepsTheLayersBeforeIt) {
  const TempFolder folder;
  const QuantizeOptions options = quick_options(folder / "out");
  testing::expect_error(ErrorKind::kGeneral, {"the test ends here"}, [&] {
    quantize(options, [](const QuantizeProgress& progress) {
      if (progress.phase.rfind("layer 3/6", 0) == 0) throw Error(ErrorKind::kGeneral, "the test ends here");
    });
  });
  EXPECT_EQ(layers_in_journal(options), 2);
  expect_same_bytes_after_resuming(options, folder);
}

}  // namespace
}  // namespace gptq::quantization
