// gptq quantize from outside: report, plan, refusals, Ctrl-C and --resume.
#include <array>
#include <cstring>
#include <random>

#include <nlohmann/json.hpp>

#include "core/json.h"
#include "tests/cli/process.h"
#include "tests/cli/settings.h"

namespace gptq::testing {
namespace {

using Json = nlohmann::json;
using Strings = std::vector<std::string>;

Strings command(const std::string& output, const Strings& more = {}, const std::string& samples = "8") {
  Strings all = {"quantize", kDemo, "-o", output, "--samples", samples, "--seqlen", "128"};
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

TEST(Quantize, ReportsForPeople) {
  const Scratch scratch;
  const std::string output = scratch / "demo-4bit";
  const Outcome outcome = gptq(command(output, {}, "16"));
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  for (const char* part : {"The 10 modules with the largest error, of 42", " % on average: good", "whole model",
                           "times smaller", "bits per weight", "peak memory", "gptq chat "}) {
    EXPECT_TRUE(has(outcome.out, part)) << part << " is not in " << outcome.out;
  }
  EXPECT_TRUE(has(outcome.out, "gptq chat " + output));
  EXPECT_TRUE(has(outcome.out, " %  ")) << "errors of modules in per cent\n" << outcome.out;
  EXPECT_FALSE(has(outcome.out, "e-0")) << outcome.out;
  EXPECT_TRUE(has(outcome.err, "layer 1/6")) << outcome.err;
  EXPECT_TRUE(has(outcome.err, "warning: ")) << outcome.err;
  EXPECT_FALSE(has(outcome.err, "\r")) << "no bar outside terminals";
  EXPECT_FALSE(has(outcome.err + outcome.out, "\033")) << "no colour outside terminals";

  const Outcome refused = gptq(command(output));
  EXPECT_EQ(refused.code, 2);
  EXPECT_EQ(refused.out, "");
  EXPECT_TRUE(has(refused.err, "--force")) << refused.err;
  const Outcome replaced = gptq(command(output, {"--force", "-q"}));
  EXPECT_EQ(replaced.code, 0);
  EXPECT_EQ(replaced.out, output + "\n") << "quiet: the path alone";
  EXPECT_FALSE(has(replaced.err, "layer"));

  const Outcome chat = gptq({"chat", output, "-p", "Who are you?", "-n", "8"});
  EXPECT_EQ(chat.code, 0) << chat.err;
  const Outcome again = gptq({"quantize", output, "-o", scratch / "twice"});
  EXPECT_EQ(again.code, 2);
  EXPECT_TRUE(has(again.err, "already quantized")) << again.err;
}

// One sentence fits itself perfectly and says little about other text; the report measures on other text.
TEST(Quantize, OneSentenceIsUsedAndItsErrorsAreNotThoseOnItself) {
  const Scratch scratch;
  const std::string sentence = "auto-gptq is an easy-to-use model quantization library.";
  const Strings more = {"--calibration-text", sentence, "--gptaq", "0", "--clip", "none"};
  const Outcome text = gptq(command(scratch / "a", more));
  EXPECT_EQ(text.code, 0) << text.err;
  EXPECT_TRUE(has(text.out, "errors are measured on built-in text")) << text.out;
  EXPECT_TRUE(has(text.err, "calibration tokens")) << text.err;
  write_whole(scratch / "guide.jsonl", Json({{"text", sentence}}).dump() + "\n");
  Strings as_json = {"--calibration", scratch / "guide.jsonl", "--gptaq", "0", "--clip", "none", "--json"};
  const Json json = Json::parse(gptq(command(scratch / "b", as_json)).out);
  EXPECT_EQ(json["errors_meaningful"], true);
  EXPECT_GT(json["mean_error"].get<double>(), 0.01);
  for (const Json& module : json["modules"]) EXPECT_GT(module["error"].get<double>(), 0);
  EXPECT_EQ(read_whole(scratch / "a/model.safetensors"), read_whole(scratch / "b/model.safetensors"));
}

TEST(Quantize, ReportsAsJson) {
  const Scratch scratch;
  const std::string output = scratch / "mixed";
  const Outcome outcome = gptq(command(
      output, {"--json", "-v", "--rule", ".*o_proj:bits=8,group_size=64", "--skip", ".*down_proj", "--gptaq", "0"}));
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  const Json json = Json::parse(outcome.out);
  for (const char* key : {"output", "seconds", "peak_bytes", "gpu_peak_bytes", "bytes_in", "bytes_out", "modules",
                          "mean_error", "verdict", "notes"}) {
    EXPECT_TRUE(json.contains(key)) << key;
  }
  EXPECT_EQ(json["modules"].size(), 36u);
  for (const Json& module : json["modules"]) {
    for (const char* key :
         {"name", "bits", "group_size", "error", "damp", "method", "seconds", "bytes_in", "bytes_out"}) {
      EXPECT_TRUE(module.contains(key)) << key;
    }
    const bool ruled = has(module["name"], "o_proj");
    EXPECT_EQ(module["bits"], ruled ? 8 : 4);
    EXPECT_EQ(module["group_size"], ruled ? 64 : 128);
  }
  EXPECT_TRUE(has(outcome.err, "model.layers.5.mlp.up_proj  4 bits")) << "-v tells every module\n" << outcome.err;
  EXPECT_TRUE(Json::parse(gptq({"inspect", output, "--json"}).out)["quantized"]);
}

TEST(Quantize, DryRunWritesNothing) {
  const Scratch scratch;
  const std::string output = scratch / "demo-4bit";
  const Outcome text = gptq(command(output, {"--dry-run"}));
  EXPECT_EQ(text.code, 0) << text.err;
  for (const char* part : {"layers", "42", "tokens", "peak memory", "time", "Nothing was written"})
    EXPECT_TRUE(has(text.out, part)) << part;
  const Json json = Json::parse(gptq(command(output, {"--dry-run", "--json"})).out);
  for (const char* key :
       {"output", "layers", "modules", "tokens", "peak_bytes", "bytes_in", "bytes_out", "seconds", "notes"}) {
    EXPECT_TRUE(json.contains(key)) << key;
  }
  EXPECT_EQ(json["tokens"], 8 * 128);
  EXPECT_LT(json["seconds_range"][0], json["seconds"]);
  EXPECT_GT(json["seconds_range"][1], json["seconds"]);
  EXPECT_FALSE(has(text.out, "time  about")) << "a range";
  EXPECT_TRUE(Json::parse(gptq(command(output, {"--dry-run", "--json", "--device", "cpu"})).out).at("gpu").is_null());
  EXPECT_FALSE(fs::exists(output));
  EXPECT_FALSE(fs::exists(output + ".partial"));
}

TEST(Quantize, DryRunRefusesWhatTheRunWouldRefuse) {
  const Scratch scratch;
  fs::copy(kDemo, scratch / "model", fs::copy_options::recursive);
  fs::create_directory(scratch / "full");
  write_whole(scratch / "full/note", "mine");
  for (const auto& [output, why] : {std::pair<std::string, std::string>{"model", "the model's own folder"},
                                    {"model/out", "is inside the model's folder"},
                                    {"model/new/out", "is inside the model's folder"},
                                    {"full", "already exists"}}) {
    for (const bool dry : {true, false}) {
      std::vector<std::string> line = {"quantize", scratch / "model", "-o", scratch / output, "--samples",
                                       "2",        "--seqlen",        "32"};
      if (dry) line.push_back("--dry-run");
      const Outcome outcome = gptq(line);
      EXPECT_EQ(outcome.code, 2) << output;
      EXPECT_TRUE(has(outcome.err, why)) << outcome.err;
    }
  }
  EXPECT_FALSE(fs::exists(scratch / "model/out.partial"));
}

TEST(Quantize, NothingToQuantizeIsAnError) {
  const Scratch scratch;
  const Outcome all =
      gptq({"quantize", kDemo, "-o", scratch / "out", "--skip", ".*", "--samples", "2", "--seqlen", "32"});
  EXPECT_EQ(all.code, 2);
  EXPECT_TRUE(has(all.err, "nothing would be quantized")) << all.err;
  EXPECT_FALSE(fs::exists(scratch / "out"));
}

TEST(Quantize, ValuesThatMakeNoSense) {
  for (const auto& [option, value, why] :
       std::vector<std::array<std::string, 3>>{{"--skip", "", "--skip: the value is empty"},
                                               {"--bits", "", "--bits"},
                                               {"--bits", "4.0", "4.0 not in {2,3,4,8}"},
                                               {"--group-size", "0", "16 to 1024"},
                                               {"--group-size", "", "--group-size: the value is empty"},
                                               {"--calibration", "", "--calibration: the value is empty"}}) {
    const Outcome outcome = gptq({"quantize", kDemo, "-o", "/nowhere/out", option, value});
    EXPECT_EQ(outcome.code, 2) << option << " " << value;
    EXPECT_TRUE(has(outcome.err, why)) << outcome.err;
  }
  const Outcome twice = gptq({"quantize", kDemo, "-o", "/nowhere/out", "--bits", "4", "--bits", "8"});
  EXPECT_TRUE(has(twice.err, "--bits is given more than once")) << twice.err;
  const Variable isa("GPTQ_ISA", "sse9");
  const Outcome unknown = gptq({"generate", kDemo, "hi", "-n", "1", "--device", "cpu"});
  EXPECT_EQ(unknown.code, 2);
  EXPECT_TRUE(has(unknown.err, "expected portable, avx2, avx_vnni, avx512 or avx512_vnni")) << unknown.err;
}

TEST(Quantize, CtrlCLeavesAStateToResume) {
  const Scratch scratch;
  const std::string output = scratch / "demo-4bit";
  Process process(command(output, {}, "32"));
  ASSERT_TRUE(Process::wait_until([&] { return has(process.err(), "layer 1/6"); })) << process.err();
  process.send(SIGINT);
  const Outcome stopped = process.finish();
  EXPECT_EQ(stopped.code, 130) << stopped.err;
  EXPECT_EQ(stopped.out, "");
  EXPECT_TRUE(has(stopped.err, "finishing this layer; press Ctrl-C again to abort")) << stopped.err;
  EXPECT_TRUE(has(stopped.err, "--resume")) << stopped.err;
  EXPECT_FALSE(fs::exists(output));
  EXPECT_TRUE(fs::exists(output + ".partial"));

  const Outcome refused = gptq(command(output, {}, "32"));
  EXPECT_EQ(refused.code, 2);
  EXPECT_TRUE(has(refused.err, "--resume")) << refused.err;
  const Outcome resumed = gptq(command(output, {"--resume", "--json"}, "32"));
  EXPECT_EQ(resumed.code, 0) << resumed.err;
  const Json json = Json::parse(resumed.out);
  EXPECT_GE(json["resumed_layers"], 1);
  EXPECT_EQ(json["modules"].size(), 42u);
  EXPECT_TRUE(fs::exists(output + "/model.safetensors"));
  EXPECT_FALSE(fs::exists(output + ".partial"));

  const std::string straight = scratch / "straight";
  EXPECT_EQ(gptq(command(straight, {"-q"}, "32")).code, 0);
  EXPECT_TRUE(read_whole(output + "/model.safetensors") == read_whole(straight + "/model.safetensors"))
      << "an interrupted run ends with the same bytes";
}

TEST(Quantize, ASecondCtrlCAborts) {
  const Scratch scratch;
  const std::string output = scratch / "demo-4bit";
  Process process(command(output, {}, "512"));
  ASSERT_TRUE(Process::wait_until([&] { return has(process.err(), "layer 1/6"); })) << process.err();
  process.send(SIGINT);
  ASSERT_TRUE(Process::wait_until([&] { return has(process.err(), "press Ctrl-C again"); })) << process.err();
  const auto before = std::chrono::steady_clock::now();
  process.send(SIGINT);
  EXPECT_EQ(process.finish().code, 130);
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(5));
  EXPECT_FALSE(fs::exists(output));
}

// Whether the layers that the journal names lie in the unfinished weights as they do in the finished ones.
void expect_journal_is_true(const std::string& partial, const std::string& finished) {
  const std::string journal = read_whole(partial + "/journal.json");
  if (journal.empty()) return;
  const int layers = Json::parse(journal)["layers_done"];
  const std::string have = read_whole(partial + "/model/model.safetensors");
  const std::string want = read_whole(finished + "/model.safetensors");
  ASSERT_EQ(have.size(), want.size());
  uint64_t length = 0;
  std::memcpy(&length, want.data(), sizeof(length));
  const size_t data = 8 + length;
  const Json tensors = Json::parse(want.substr(8, length));
  for (int layer = 0; layer < layers; ++layer) {
    for (const auto& [name, tensor] : tensors.items()) {
      if (name.rfind("model.layers." + std::to_string(layer) + ".", 0) != 0 || has(name, "norm")) continue;
      const size_t begin = tensor["data_offsets"][0], end = tensor["data_offsets"][1];
      EXPECT_EQ(have.compare(data + begin, end - begin, want, data + begin, end - begin), 0)
          << name << " of " << layers << " finished layers";
    }
  }
}

TEST(Quantize, KilledRunsGoOnToTheSameBytes) {
  const Scratch scratch;
  const std::string straight = scratch / "straight", output = scratch / "killed";
  const auto start = std::chrono::steady_clock::now();
  ASSERT_EQ(gptq(command(straight, {"-q"})).code, 0);
  const auto whole = std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - start);
  std::mt19937 random(1);
  int killed = 0;
  const auto check_finished = [&] {
    EXPECT_TRUE(read_whole(output + "/model.safetensors") == read_whole(straight + "/model.safetensors"));
    EXPECT_TRUE(read_whole(output + "/config.json") == read_whole(straight + "/config.json"));
    EXPECT_FALSE(fs::exists(output + ".partial"));
    fs::remove_all(output);
  };
  for (int round = 0; round < 8; ++round) {
    Process process(command(output, {"-q", "--resume"}));
    std::this_thread::sleep_for(whole * std::uniform_int_distribution<>(20, 100)(random) / 100);
    process.send(SIGKILL);
    const Outcome outcome = process.finish();
    if (fs::exists(output)) {  // it was done, or killed behind the rename
      if (fs::exists(output + ".partial")) {
        EXPECT_EQ(gptq(command(output, {"-q", "--resume"})).code, 0);
      }
      check_finished();
      continue;
    }
    ASSERT_EQ(outcome.code, -SIGKILL) << outcome.err;
    ++killed;
    expect_journal_is_true(output + ".partial", straight);
  }
  EXPECT_GT(killed, 1);
  ASSERT_EQ(gptq(command(output, {"-q", "--resume"})).code, 0);
  check_finished();
}

TEST(Quantize, OutputThatCannotBeWritten) {
  const Scratch scratch;
  write_whole(scratch / "file", "");
  const Outcome below_file = gptq(command(scratch / "file/x"));
  EXPECT_NE(below_file.code, 0);
  EXPECT_TRUE(has(below_file.err, "file/x")) << below_file.err;
  if (geteuid() == 0) GTEST_SKIP() << "root writes everywhere";
  fs::create_directory(scratch / "locked");
  fs::permissions(scratch / "locked", fs::perms::owner_read | fs::perms::owner_exec);
  const Outcome locked = gptq(command(scratch / "locked/x"));
  EXPECT_EQ(locked.code, 4);
  EXPECT_TRUE(has(locked.err, "locked/x")) << locked.err;
}

}  // namespace
}  // namespace gptq::testing
