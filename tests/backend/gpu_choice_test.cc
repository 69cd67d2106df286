// Which GPUs a build serves and what "auto" picks, without a GPU.
#include "backend/gpu_choice.h"

#include <gtest/gtest.h>

namespace gptq::backend {
namespace {

const std::string kPackage = "80-real,86-real,89-real,90a-real,120-real,90-virtual";

std::string reason(const std::string& targets, int major, int minor) {
  Gpu gpu;
  gpu.name = "Test GPU";
  gpu.major = major;
  gpu.minor = minor;
  return unserved_reason(parse_gpu_targets(targets), gpu);
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST(GpuChoice, ThePackageServesAllFromAmpereOn) {
  for (const auto& [major, minor] :
       {std::pair{8, 0}, {8, 6}, {8, 7}, {8, 9}, {9, 0}, {10, 0}, {10, 3}, {11, 0}, {12, 0}, {12, 1}, {13, 0}}) {
    EXPECT_EQ(reason(kPackage, major, minor), "") << major << "." << minor;
  }
}

TEST(GpuChoice, OldGpusNeedNoRebuild) {
  for (const auto& [major, minor] : {std::pair{7, 5}, {7, 0}, {6, 1}}) {
    const std::string text = reason(kPackage, major, minor);
    EXPECT_TRUE(has(text, "Test GPU is " + std::to_string(major) + "." + std::to_string(minor))) << text;
    EXPECT_TRUE(has(text, "expected compute capability 8.0")) << text;
    EXPECT_FALSE(has(text, "rebuild")) << text;
  }
}

TEST(GpuChoice, CodeForOneGpuSaysHowToRebuild) {
  EXPECT_EQ(reason("90a-real", 9, 0), "");
  EXPECT_EQ(reason("90a-real", 8, 6),
            "this build has code for compute capability 9.0a; your Test GPU is 8.6; rebuild with "
            "-DCMAKE_CUDA_ARCHITECTURES=86-real");
  EXPECT_TRUE(has(reason("90a-real", 12, 0), "=120-real"));
  EXPECT_TRUE(has(reason("86-real", 9, 0), "=90a-real"));
  EXPECT_TRUE(has(reason("80-real,90-virtual", 8, 9), "") && reason("80-real,90-virtual", 8, 9).empty())
      << "code runs on later GPUs of its major number";
  EXPECT_TRUE(has(reason("86-real,90-virtual", 8, 0), "8.6, PTX of 9.0; your Test GPU is 8.0"));
}

TEST(GpuChoice, WhatAnEntryCovers) {
  EXPECT_EQ(reason("86", 12, 0), "") << "an entry without ending has PTX, too";
  EXPECT_NE(reason("86-real", 12, 0), "");
  EXPECT_EQ(reason("80-virtual", 8, 6), "");
  EXPECT_NE(reason("90-virtual", 8, 9), "") << "PTX is for newer ones";
  EXPECT_NE(reason("90a-virtual", 10, 0), "") << "the PTX of one GPU alone";
  EXPECT_NE(reason("90a", 10, 0), "");
  EXPECT_NE(reason("100a-real", 10, 3), "");
  EXPECT_EQ(reason("100f-real", 10, 3), "");
  EXPECT_NE(reason("100f-real", 12, 0), "");
}

Gpu gpu(int index, const std::string& problem) {
  Gpu result;
  result.index = index;
  result.name = "GPU " + std::to_string(index);
  result.problem = problem;
  return result;
}

TEST(GpuChoice, AutoTakesTheFirstUsableOne) {
  GpuState state;
  state.gpus = {gpu(0, ""), gpu(1, "")};
  EXPECT_EQ(to_string(choose_automatically(state).device), "cuda:0");
  EXPECT_EQ(choose_automatically(state).note, "");

  state.gpus = {gpu(0, "is too old"), gpu(1, ""), gpu(2, "")};
  EXPECT_EQ(to_string(choose_automatically(state).device), "cuda:1");
  EXPECT_EQ(choose_automatically(state).note, "cuda:0 is skipped: is too old");

  state.gpus = {gpu(0, "is too old"), gpu(1, "is too new")};
  EXPECT_EQ(to_string(choose_automatically(state).device), "cpu");
  EXPECT_EQ(choose_automatically(state).note, "cuda:0 is skipped: is too old; cuda:1 is skipped: is too new");
}

TEST(GpuChoice, WithoutAGpuTheNoteSaysWhy) {
  EXPECT_EQ(to_string(choose_automatically({"no driver", "", {}}).device), "cpu");
  EXPECT_EQ(choose_automatically({"no driver", "", {}}).note, "no driver");
  EXPECT_EQ(choose_automatically({}).note, "the driver finds no GPU");
}

}  // namespace
}  // namespace gptq::backend
