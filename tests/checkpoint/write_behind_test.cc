// Writing in the background: the same file, calls after the data, and errors that name the file.
#include "checkpoint/write_behind.h"

#include "checkpoint/packed_format.h"
#include "tests/checkpoint/full_disk.h"
#include "tests/checkpoint/model_files.h"

namespace gptq::checkpoint {
namespace {

using testing::expect_error;
using testing::raw_bytes;
using testing::TempFolder;

constexpr int64_t kColumns = 1024, kRows = 2048, kGroup = 128;
constexpr int kModules = 12;

std::string module(int i) { return "layer." + std::to_string(i); }

PackedWeight weight(int seed) {
  PackedWeight w;
  w.bits = 4;
  w.in_features = kColumns;
  w.out_features = kRows;
  w.group_size = kGroup;
  w.qweight = Tensor(DType::kI32, {kColumns / 8, kRows});
  w.qzeros = Tensor(DType::kI32, {kColumns / kGroup, kRows / 8});
  w.scales = Tensor(DType::kF16, {kColumns / kGroup, kRows});
  w.g_idx = Tensor(DType::kI32, {kColumns});
  for (int32_t& word : w.qweight.values<int32_t>()) word = seed + 1;
  for (int32_t& word : w.qzeros.values<int32_t>()) word = 0x11111111 * (seed % 7 + 1);
  return w;
}

std::vector<TensorSpec> specs() {
  std::vector<TensorSpec> all;
  for (int i = 0; i < kModules; ++i) {
    for (const TensorSpec& spec : packed_specs(module(i), kColumns, kRows, 4, kGroup, false)) all.push_back(spec);
  }
  return all;
}

TEST(WriteBehind, GivesTheFileOfTheWriter) {
  const TempFolder in_line, behind;
  CheckpointWriter expected(in_line.path(), specs(), 1 << 30);
  CheckpointWriter writer(behind.path(), specs(), 1 << 30);
  {
    WriteBehind output(writer, CheckpointFormat::kGptq);
    for (int i = 0; i < kModules; ++i) {
      for_each_stored(weight(i), module(i), CheckpointFormat::kGptq,
                      [&](const std::string& name, const TensorView& tensor) { expected.write(name, tensor); });
      output.write(module(i), weight(i));
    }
    expected.finish();
    output.finish();
  }
  EXPECT_TRUE(read_file(in_line / "model.safetensors") == read_file(behind / "model.safetensors"));
}

TEST(WriteBehind, CallsAfterTheDataAreThere) {
  const TempFolder folder;
  CheckpointWriter writer(folder.path(), specs(), 1 << 30);
  WriteBehind output(writer, CheckpointFormat::kGptqV2);
  int called = 0;
  for (int i = 0; i < kModules; ++i) {
    output.write(module(i), weight(i));
    output.on_durable([&, i] {
      ++called;
      const SafetensorsFile file(folder / "model.safetensors");
      const PackedWeight expected = weight(i);
      EXPECT_TRUE(raw_bytes(file.tensor(module(i) + ".qweight")) == raw_bytes(expected.qweight.view()));
      EXPECT_TRUE(raw_bytes(file.tensor(module(i) + ".qzeros")) == raw_bytes(expected.qzeros.view()));
    });
  }
  output.wait();
  EXPECT_EQ(called, kModules);
}

TEST(WriteBehind, AFullDiskNamesTheFileAndNothingIsSaidToBeSynced) {
  for (int full = 0; full < kModules; full += 5) {
    const TempFolder folder;
    CheckpointWriter writer(folder.path(), specs(), 1 << 20);  // a shard for each module's codes
    int synced = 0;
    WriteBehind output(writer, CheckpointFormat::kGptq);
    for (int i = 0; i < full; ++i) {
      output.write(module(i), weight(i));
      output.on_durable([&] { ++synced; });
    }
    output.wait();
    const testing::FullDisk disk(1000);
    output.write(module(full), weight(full));
    expect_error(ErrorKind::kGeneral, {"writing", folder.path().string(), ".safetensors", "disk space"}, [&] {
      output.on_durable([&] { ++synced; });
      output.wait();
    });
    expect_error(ErrorKind::kGeneral, {"writing", ".safetensors"}, [&] { output.write(module(full), weight(full)); });
    expect_error(ErrorKind::kGeneral, {"writing", ".safetensors"}, [&] { output.finish(); });
    EXPECT_EQ(synced, full);
  }
}

}  // namespace
}  // namespace gptq::checkpoint
