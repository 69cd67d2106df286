// The program where the system gives it less than usual: standard streams closed or full, no threads, little memory,
// pipes and devices in place of files, damaged models, and terminals that untrusted text must not steer.
#include <pty.h>
#include <sys/stat.h>
#include <cmath>
#include <cstdint>
#include <random>
#include <utility>

#include <nlohmann/json.hpp>

#include "core/json.h"
#include "tests/cli/process.h"

namespace gptq::testing {
namespace {

using Json = nlohmann::json;
using Strings = std::vector<std::string>;

// Runs a line of the shell in which "gptq" is the program; 124 after a minute, and 128 + N for a signal.
Outcome shell(const std::string& line) {
  const Scratch scratch;
  write_whole(scratch / "line", "gptq() { timeout 60 " GPTQ_BINARY " \"$@\"; }\n" + line);
  const std::string command = "bash " + (scratch / "line") + " >" + (scratch / "out") + " 2>" + (scratch / "err");
  const int status = std::system(command.c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status), read_whole(scratch / "out"),
          read_whole(scratch / "err")};
}

// Sanitizers reserve terabytes of addresses and start threads themselves.
bool has_sanitizer() {
#ifdef GPTQ_SANITIZED
  return true;
#else
  return false;
#endif
}

TEST(CliStreams, StderrThatCannotBeWrittenChangesNothing) {
  const Scratch scratch;
  const std::string job = "gptq quantize " + kDemo + " --samples 2 --seqlen 32 --gptaq 0 --clip none --threads 1 -o ";
  ASSERT_EQ(shell(job + (scratch / "good")).code, 0);
  const std::string good = read_whole(scratch / "good/model.safetensors");
  ASSERT_GT(good.size(), 1000u);
  int count = 0;
  for (const char* where : {"2>&- <&-", "2>/dev/full", "2> >(true)"}) {
    const std::string output = scratch / ("out" + std::to_string(++count));
    const Outcome outcome = shell(job + output + " " + where);
    EXPECT_EQ(outcome.code, 0) << where;
    EXPECT_TRUE(has(outcome.out, "whole model")) << where;
    EXPECT_TRUE(read_whole(output + "/model.safetensors") == good) << where;
  }
}

TEST(CliStreams, AFileThatMayNotGrowIsAnErrorOfTheDisk) {
  const Scratch scratch;
  const Outcome outcome =
      shell("ulimit -f 2000; gptq quantize " + kDemo + " -q --samples 2 --seqlen 32 -o " + (scratch / "out"));
  EXPECT_EQ(outcome.code, 1) << outcome.err;
  EXPECT_TRUE(has(outcome.err, "model.safetensors") && has(outcome.err, "File too large")) << outcome.err;
}

// Long enough to be met in the second of its six layers.
std::string long_job(const std::string& model, const std::string& output) {
  return GPTQ_BINARY " quantize " + model + " -q --samples 32 --seqlen 256 --clip none -o " + output +
         " --calibration " + kDemo + "/calibration.jsonl";
}

// Starts `job`, and runs `then` once the first layer is in the journal of `output`.
std::string behind_first_layer(const std::string& job, const std::string& output, const std::string& then) {
  return job + " & p=$!; until grep -q '\"layers_done\": *[1-9]' " + output +
         ".partial/journal.json 2>/dev/null || ! kill -0 $p; do sleep 0.01; done; " + then + "; wait $p";
}

TEST(CliStreams, ASignalWithStderrClosedLeavesAStateToResume) {
  const Scratch scratch;
  const std::string output = scratch / "out";
  const Outcome stopped = shell(behind_first_layer(long_job(kDemo, output) + " 2>&-", output, "kill -TERM $p"));
  EXPECT_EQ(stopped.code, 130);
  EXPECT_FALSE(fs::exists(output));
  const Outcome resumed = shell(long_job(kDemo, output) + " --resume");
  EXPECT_EQ(resumed.code, 0) << resumed.err;
  ASSERT_EQ(shell(long_job(kDemo, scratch / "whole")).code, 0);
  EXPECT_TRUE(read_whole(output + "/model.safetensors") == read_whole(scratch / "whole/model.safetensors"));
}

TEST(CliMappedFiles, AModelCutShortMeanwhileIsAnErrorThatNamesIt) {
  const Scratch scratch;
  const std::string model = scratch / "model", output = scratch / "out";
  fs::copy(kDemo, model);
  const std::string cut = "truncate -s 2000000 " + model + "/model.safetensors";
  const Outcome outcome = shell(behind_first_layer(long_job(model, output), output, cut));
  EXPECT_EQ(outcome.code, 6) << outcome.err;
  EXPECT_TRUE(has(outcome.err, model + "/model.safetensors: it was truncated")) << outcome.err;
  EXPECT_FALSE(fs::exists(output));
}

TEST(CliStreams, ErrorsKeepTheirExitCodes) {
  for (const char* where : {"2>&-", "2>/dev/full", "2> >(true)"}) {
    EXPECT_EQ(shell(std::string("gptq inspect /nowhere ") + where).code, 3) << where;
    EXPECT_EQ(shell(std::string("gptq inspect ") + where).code, 2) << where;
    EXPECT_EQ(shell(std::string("gptq ") + where).code, 2) << where;
  }
  for (const char* where : {">&-", ">/dev/full"}) {
    const Outcome outcome = shell("gptq tokenize " + kDemo + " -p Hello " + where);
    EXPECT_EQ(outcome.code, 1) << where;
    EXPECT_TRUE(has(outcome.err, "cannot write to standard output")) << outcome.err;
  }
  const Outcome no_input = shell("gptq tokenize " + kDemo + " <&-");
  EXPECT_EQ(no_input.code, 1);
  EXPECT_TRUE(has(no_input.err, "cannot read standard input")) << no_input.err;
}

// Memory for the text and not for all its tokens at once, and time that grows with its length: 4 MB took 0.9 GB.
TEST(CliLimits, LongTextsOfAnyKindTakeLittleMemory) {
  if (has_sanitizer()) GTEST_SKIP();
  const Scratch scratch;
  constexpr size_t kSize = 4'000'000;
  std::mt19937 random(1);
  std::string binary, word, prose;
  while (binary.size() < kSize) binary += static_cast<char>(random());
  while (word.size() < kSize) word += "abcdefghij";
  while (prose.size() < kSize) prose += "It was a bright cold day in April, and the clocks were striking thirteen.\n";
  for (const auto& [name, text] : {std::pair{"binary", binary}, {"word", word}, {"prose", prose}}) {
    write_whole(scratch / name, text);
    for (const char* json : {"", " --json"}) {
      const Outcome outcome = shell("set -o pipefail; ulimit -v 700000; ulimit -t 50; gptq tokenize " + kDemo + " -f " +
                                    (scratch / name) + json + " | tail -c 40");
      EXPECT_EQ(outcome.code, 0) << name << json << outcome.err;
      EXPECT_GT(outcome.out.size(), 20u) << name << json;
    }
  }
}

TEST(CliLimits, ThreadsThatCannotBeStartedAreAnError) {
  if (has_sanitizer()) GTEST_SKIP();
  const Outcome outcome =
      shell("ulimit -v 4000000; gptq generate " + kDemo + " -p Hi -n 2 -q --device cpu --threads 4096");
  EXPECT_EQ(outcome.code, 1);
  EXPECT_TRUE(has(outcome.err, "starting a thread: ")) << outcome.err;
  EXPECT_TRUE(has(outcome.err, "--threads")) << outcome.err;
}

// The stack of one more thread would be larger than all addresses that the limit leaves.
TEST(CliLimits, OneThreadIsOne) {
  if (has_sanitizer()) GTEST_SKIP();
  if (shell("ulimit -s 8000000").code != 0) GTEST_SKIP() << "the limit on stacks cannot be raised";
  const std::string command =
      "ulimit -s 8000000; ulimit -v 4000000; gptq generate " + kDemo + " -p Hi -n 2 --device cpu";
  EXPECT_EQ(shell(command + " --threads 1").code, 0) << shell(command + " --threads 1").err;
  EXPECT_EQ(shell(command + " --threads 2").code, 1);
}

TEST(CliLimits, LittleMemoryIsAnErrorSoon) {
  if (has_sanitizer()) GTEST_SKIP();
  const std::string demo = kDemo;
  for (const int kilobytes : {100'000, 150'000, 200'000, 250'000}) {
    const std::string limit = "ulimit -v " + std::to_string(kilobytes) + "; ";
    const Outcome version = shell(limit + "gptq --version");
    EXPECT_EQ(version.code, 0) << version.err;
    EXPECT_EQ(shell(limit + "gptq tokenize " + demo + " -p Hello").code, 0);
    const Outcome generate = shell(limit + "gptq generate " + demo + " -p Hi -n 2 -q --device cpu --threads 2");
    EXPECT_TRUE(generate.code == 0 || generate.code == 1 || generate.code == 7)
        << kilobytes << ": " << generate.code << " " << generate.err;
  }
}

// ---- files that are none

class CliFiles : public ::testing::Test {
 protected:
  CliFiles() : model_(scratch_ / "model") { fs::copy(kDemo, model_); }

  // The program's answer, with `file` of the model being `what`: "pipe" or the target of a link.
  Outcome with(const std::string& file, const std::string& what, const Strings& arguments) {
    const fs::path path = fs::path(model_) / file, saved = fs::path(model_) / "saved";
    const bool had = fs::exists(path);
    if (had) fs::rename(path, saved);
    if (what == "pipe") {
      EXPECT_EQ(mkfifo(path.c_str(), 0600), 0);
    } else {
      fs::create_symlink(what, path);
    }
    const Outcome outcome = gptq(arguments);
    fs::remove(path);
    if (had) fs::rename(saved, path);
    return outcome;
  }

  void expect_refused(const Outcome& outcome, const std::string& file, const std::string& found) {
    EXPECT_EQ(outcome.code, 6) << file << ": " << outcome.err;
    EXPECT_TRUE(has(outcome.err, file) && has(outcome.err, found) && has(outcome.err, "regular file")) << outcome.err;
  }

  Scratch scratch_;
  std::string model_;
};

TEST_F(CliFiles, PipesDevicesAndProcAreRefusedNotWaitedFor) {
  const Strings chat = {"chat", model_, "-p", "x", "-n", "1"};
  for (const std::string file :
       {"config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja"}) {
    expect_refused(with(file, "pipe", chat), file, "a pipe");
    expect_refused(with(file, "/dev/zero", chat), file, "a device");
  }
  for (const char* what : {"pipe", "/dev/zero"}) EXPECT_EQ(with("model.safetensors", what, chat).code, 3) << what;
  expect_refused(with("config.json", "/proc/self/status", {"inspect", model_}), "config.json", "/proc");
  const Strings job = {"quantize", kDemo, "-o", scratch_ / "out", "--samples", "2", "--seqlen", "16", "--calibration"};
  for (const std::string file : {"texts.txt", "texts.jsonl"}) {
    Strings arguments = job;
    arguments.push_back(model_ + "/" + file);
    expect_refused(with(file, "pipe", arguments), file, "a pipe");
    expect_refused(with(file, "/dev/zero", arguments), file, "a device");
  }
}

TEST_F(CliFiles, DamagedNumbersAreEight) {
  const std::string path = model_ + "/model.safetensors";
  std::string bytes = read_whole(path);
  uint64_t length = 0;
  for (int i = 7; i >= 0; --i) length = length << 8 | static_cast<unsigned char>(bytes[static_cast<size_t>(i)]);
  const Json norm = Json::parse(bytes.substr(8, length)).at("model.norm.weight");
  ASSERT_EQ(norm.at("dtype"), "BF16");
  const size_t begin = 8 + length + norm.at("data_offsets")[0].get<size_t>();
  const size_t end = 8 + length + norm.at("data_offsets")[1].get<size_t>();
  for (size_t i = begin; i < end; ++i) bytes[i] = '\x7f';  // 3.4e38: finite, and infinite in every logit
  write_whole(path, bytes);
  write_whole(scratch_ / "text", read_whole(kDemo + "/eval.txt").substr(0, 20'000));
  for (const Strings& arguments :
       std::vector<Strings>{{"perplexity", model_, "--text", scratch_ / "text", "--window", "64"},
                            {"perplexity", model_, "--text", scratch_ / "text", "--window", "64", "--json"},
                            {"generate", model_, "-p", "It was", "-n", "4"},
                            {"generate", model_, "-p", "It was", "-n", "4", "--temperature", "1"},
                            {"chat", model_, "-p", "Hello", "-n", "4"}}) {
    const Outcome outcome = gptq(arguments);
    EXPECT_EQ(outcome.code, 8) << arguments[0] << ": " << outcome.err;
    EXPECT_TRUE(has(outcome.err, "rms_norm_eps")) << outcome.err;
    EXPECT_EQ(outcome.out, "");
  }
}

TEST_F(CliFiles, GenerationLimitsOutOfRange) {
  for (const auto& [tokens, said] :
       {std::pair<int64_t, bool>{-1, true}, {int64_t{1} << 31, false}, {int64_t{1} << 32, false}}) {
    write_whole(model_ + "/generation_config.json", Json({{"max_new_tokens", tokens}}).dump());
    const Outcome outcome = shell("gptq generate " + model_ + " -p 'It was' --stop ' ' --json 2>&1 >/dev/null");
    EXPECT_EQ(outcome.code, 0);
    EXPECT_EQ(has(outcome.out, "max_new_tokens is -1"), said) << outcome.out;
    const Json answer = Json::parse(gptq({"generate", model_, "-p", "It was", "--stop", " ", "--json", "-q"}).out);
    EXPECT_GT(answer.at("new_tokens"), 0) << tokens;
  }
}

TEST(CliBench, NumbersWithoutMeaningAreRefusedAtOnce) {
  const Outcome deep = gptq({"bench", kDemo, "--depths", "2147483647", "--prompt-lengths", "2147483647", "--batches",
                             "1,2", "--tokens", "2", "--repeat", "1", "--json"});
  EXPECT_EQ(deep.code, 2) << deep.err;
  EXPECT_TRUE(has(deep.err, "needs a context of 2147483648")) << deep.err;
  for (const Strings& option : std::vector<Strings>{{"--repeat", "1000000000"}, {"--batches", "2000000000"}}) {
    const Outcome outcome = gptq({"bench", kDemo, option[0], option[1]});
    EXPECT_EQ(outcome.code, 2);
    EXPECT_TRUE(has(outcome.err, option[1]) && has(outcome.err, "expected numbers from 1 to")) << outcome.err;
  }
}

TEST(CliUsage, NumbersBelowZeroAndEmptyRules) {
  for (const char* seed : {"-1", "1.5", "x", "-18446744073709551615"}) {
    const Outcome outcome = gptq({"quantize", kDemo, "-o", "/nowhere/x", "--dry-run", std::string("--seed=") + seed});
    EXPECT_EQ(outcome.code, 2) << seed;
    EXPECT_TRUE(has(outcome.err, "--seed") && has(outcome.err, seed)) << outcome.err;
    EXPECT_EQ(gptq({"generate", kDemo, "-p", "x", std::string("--seed=") + seed}).code, 2);
  }
  EXPECT_EQ(gptq({"quantize", kDemo, "-o", "/nowhere/x", "--dry-run", "--seed=7"}).code, 0);
  const Outcome rule = gptq({"quantize", kDemo, "-o", "/nowhere/x", "--dry-run", "--rule", ".*down_proj:"});
  EXPECT_EQ(rule.code, 2);
  EXPECT_TRUE(has(rule.err, "no settings")) << rule.err;
}

TEST(CliErrors, LongQuotesAreCut) {
  const Outcome outcome =
      gptq({"quantize", kDemo, "-o", "/nowhere/x", "--dry-run", "--skip", std::string(100'000, '(')});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_LT(outcome.err.size(), 5000u);
  EXPECT_TRUE(has(outcome.err, " bytes ...]")) << outcome.err;
}

// ---- terminals

std::string on_a_terminal(const Strings& arguments) {
  int terminal = -1;
  const pid_t child = forkpty(&terminal, nullptr, nullptr, nullptr);
  if (child == 0) {
    std::vector<char*> argv = {const_cast<char*>(GPTQ_BINARY)};
    for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    execv(GPTQ_BINARY, argv.data());
    _exit(127);
  }
  std::string screen;
  char chunk[4096];
  for (ssize_t got = 0; (got = read(terminal, chunk, sizeof chunk)) > 0;)
    screen.append(chunk, static_cast<size_t>(got));
  int status = 0;
  waitpid(child, &status, 0);
  close(terminal);
  EXPECT_EQ(WEXITSTATUS(status), 0) << screen;
  return screen;
}

TEST(CliTerminal, UntrustedTextDoesNotSteerIt) {
  const std::string hostile = "a\033]52;c;QQ==\007b\033[2Jc\u009b31md\u202ee\u2066f\ng";
  const std::string ids =
      Json::parse(gptq({"tokenize", kDemo, "-p", hostile, "--no-special-tokens", "--json"}).out).at("ids").dump();
  const Outcome piped = gptq({"detokenize", kDemo, "--ids", ids});
  ASSERT_EQ(piped.out, hostile + "\n") << "a pipe gets every byte";
  for (const std::string& screen : {on_a_terminal({"detokenize", kDemo, "--ids", ids}),
                                    on_a_terminal({"detokenize", kDemo, "--ids", ids, "--json"}),
                                    on_a_terminal({"tokenize", kDemo, "-p", hostile})}) {
    for (const char* steering : {"\033", "\007", "\u009b", "\u202e", "\u2066"}) {
      EXPECT_FALSE(has(screen, steering)) << Json(screen).dump();
    }
  }
  EXPECT_TRUE(has(on_a_terminal({"detokenize", kDemo, "--ids", ids}), "a?]52;c;QQ==?b?[2Jc?31md?e?f\r\ng"));
}

// ---- what is here

TEST(CliDoctor, ChecksAndVersion) {
  const Outcome text = gptq({"doctor"});
  EXPECT_EQ(text.code, 0) << text.err;
  const Outcome reply = gptq({"doctor", "--json"});
  EXPECT_EQ(reply.code, 0) << reply.err;
  const Json json = Json::parse(reply.out);
  const Json version = Json::parse(gptq({"version", "--json"}).out);
  int warnings = 0;
  Strings names;
  for (const Json& check : json.at("checks")) {
    names.push_back(check.at("name"));
    EXPECT_TRUE(check.at("status") == "ok" || check.at("status") == "warn") << check;
    EXPECT_TRUE(version.contains(names.back())) << names.back();
    EXPECT_NE(check.at("text"), "") << check;
    EXPECT_TRUE(has(text.out, names.back())) << names.back();
    warnings += check.at("status") == "warn" ? 1 : 0;
  }
  EXPECT_EQ(json.at("warnings"), warnings);
  for (const char* name : {"commit", "compiler", "device", "processor", "instructions", "blas", "cuda", "driver",
                           "endpoint", "token", "cache"}) {
    EXPECT_EQ(std::count(names.begin(), names.end(), name), 1) << name;
  }
  EXPECT_TRUE(has(text.out, "OpenBLAS")) << text.out;
}

TEST(CliDoctor, ItNamesTheTokensSourceNeverTheToken) {
  const Outcome outcome =
      shell("HF_TOKEN=hf_neverprintme HF_ENDPOINT=http://localhost:1 HF_HOME=/dev/null/none gptq doctor");
  EXPECT_EQ(outcome.code, 0);
  EXPECT_TRUE(has(outcome.out, "from HF_TOKEN") && has(outcome.out, "http://localhost:1")) << outcome.out;
  EXPECT_FALSE(has(outcome.out + outcome.err, "neverprint")) << outcome.out;
  EXPECT_TRUE(has(outcome.out, "cannot be written")) << outcome.out;
}

TEST(CliDevice, OneLineSaysWhichAndWhy) {
  const Scratch scratch;
  for (const Strings& arguments : std::vector<Strings>{{"generate", kDemo, "-p", "x", "-n", "1"},
                                                       {"chat", kDemo, "-p", "x", "-n", "1"},
                                                       {"quantize", kDemo, "-o", scratch / "out", "--dry-run"}}) {
    const Outcome outcome = gptq(arguments);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_TRUE(has(outcome.err, "note: runs on c")) << outcome.err;
    if (has(outcome.err, "runs on cpu")) {
      EXPECT_TRUE(has(outcome.err, "; ")) << "it says why not the GPU: " << outcome.err;
    }
    Strings quiet = arguments, cpu = arguments;
    quiet.push_back("-q");
    EXPECT_FALSE(has(gptq(quiet).err, "runs on"));
    cpu.insert(cpu.end(), {"--device", "cpu"});
    EXPECT_FALSE(has(gptq(cpu).err, "GPU")) << "who asks for the CPU knows why";
  }
}

}  // namespace
}  // namespace gptq::testing
