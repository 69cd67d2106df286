// Quantizations killed at any file operation, and two of them interleaved in any way, with one output folder: what then
// has the output's name is whole and of one run, and what was there before and is not gptq's is untouched.
#include <fcntl.h>
#include <gtest/gtest.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <memory>
#include <random>

#include "tests/cli/process.h"
#include "tests/stress/traced_process.h"

namespace gptq::testing {
namespace {

using Files = std::map<std::string, std::string>;  // path below the folder -> content

Files read_all(const fs::path& folder) {
  Files files;
  if (!fs::is_directory(folder)) return files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) files[fs::relative(entry.path(), folder)] = read_whole(entry.path());
  }
  return files;
}

// How often: few by default, more from the environment.
int count_of(const char* variable, int usual) {
  const char* text = getenv(variable);
  return text == nullptr ? usual : std::stoi(text);
}

class QuantizeStress : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (!TracedProcess::is_possible()) return;
    shared_ = std::make_unique<Scratch>();
    make_model();
    for (const int bits : {4, 3}) {
      const std::string output = *shared_ / ("good" + std::to_string(bits));
      TracedProcess run(arguments(output, bits), *shared_ / "log");
      ASSERT_EQ(run.finish(), 0) << read_whole(*shared_ / "log");
      operations_ = run.operations();
      good_[bits] = read_all(output);
      ASSERT_GT(good_[bits].size(), 3u);
    }
  }
  static void TearDownTestSuite() { shared_.reset(); }

  void SetUp() override {
    if (shared_ == nullptr) GTEST_SKIP() << "this machine does not let a process trace its children (ptrace)";
    work_ = std::make_unique<Scratch>();
    fs::create_directories(*work_ / "out.old");  // a backup of the user's: never touched
    write_whole(*work_ / "out.old/notes.txt", "mine");
  }

  // Three layers, 64 wide: a fifth of a second.
  static void make_model() {
    const std::string source = *shared_ / "source", model = *shared_ / "model";
    fs::create_directories(source);
    write_whole(source + "/config.json", R"({"architectures":["MistralForCausalLM"],"model_type":"mistral",
        "vocab_size":4096,"hidden_size":64,"intermediate_size":128,"num_hidden_layers":3,"num_attention_heads":4,
        "num_key_value_heads":2,"head_dim":16,"hidden_act":"silu","max_position_embeddings":512,"rms_norm_eps":1e-5,
        "rope_theta":10000.0,"tie_word_embeddings":false,"torch_dtype":"bfloat16","bos_token_id":1,"eos_token_id":2})");
    const std::string command = std::string(GPTQ_MAKE_MODEL) + " " + source + "/config.json " + model + " >/dev/null";
    ASSERT_EQ(system(command.c_str()), 0);
    for (const char* name : {"tokenizer.json", "tokenizer_config.json"})
      fs::copy_file(kDemo + "/" + name, model + "/" + name, fs::copy_options::overwrite_existing);
  }

  static std::vector<std::string> arguments(const std::string& output, int bits, const std::string& option = "") {
    std::vector<std::string> all = {"quantize", *shared_ / "model", "-o", output, "-q", "--device", "cpu",
                                    "--bits", std::to_string(bits), "--group-size", "32", "--threads", "2",
                                    "--samples", "2", "--seqlen", "16", "--calibration", kDemo + "/calibration.jsonl"};
    if (!option.empty()) all.push_back(option);
    return all;
  }
  std::string output() const { return *work_ / "out"; }
  std::string log() const { return *work_ / "log"; }
  int below(int end) { return std::uniform_int_distribution<int>(0, end - 1)(random_); }

  // 0, or the refusal of a documented kind, with a message; never a signal or an internal error.
  void expect_success_or_refusal(int code) {
    EXPECT_TRUE(code == 0 || code == 1 || code == 2) << code;
    EXPECT_FALSE(has(read_whole(log()), "bug in gptq")) << read_whole(log());
    EXPECT_TRUE(code == 0 || has(read_whole(log()), "error: ")) << read_whole(log());
  }
  // The output is whole and of one run, or not there.
  void expect_whole_or_absent() {
    const Files found = read_all(output());
    EXPECT_TRUE(found.empty() || found == good_[4] || found == good_[3]) << "a mixture in " << output();
    EXPECT_EQ(read_whole(*work_ / "out.old/notes.txt"), "mine");
  }
  // From whatever is left, one of three commands comes to the result and leaves nothing else.
  void expect_recovery(int bits) {
    std::string errors;
    for (const std::vector<std::string>& options : {std::vector<std::string>{"--resume"}, {"--resume", "--force"}, {"--force"}}) {
      std::vector<std::string> all = arguments(output(), bits);
      all.insert(all.end(), options.begin(), options.end());
      const Outcome outcome = gptq(all);
      expect_whole_or_absent();
      errors += outcome.err;
      // A run that is killed behind its result leaves the lock or the journal, which --force removes.
      if (outcome.code == 0 && read_all(output()) == good_[bits] && !fs::exists(output() + ".partial")) break;
    }
    EXPECT_TRUE(read_all(output()) == good_[bits]) << errors;
    Files left = read_all(*work_ / ".");
    std::erase_if(left, [](const auto& file) { return file.first.starts_with("out/") || file.first == "log"; });
    EXPECT_EQ(left.size(), 1u) << "files left beside the output, or the backup is gone";
  }
  void put_old_output(int bits) { fs::copy(*shared_ / ("good" + std::to_string(bits)), output()); }

  static std::unique_ptr<Scratch> shared_;
  static std::map<int, Files> good_;  // bits -> the folder that an undisturbed run makes
  static int operations_;             // of such a run
  std::unique_ptr<Scratch> work_;
  std::mt19937 random_{static_cast<unsigned>(count_of("GPTQ_STRESS_SEED", 1))};
};

std::unique_ptr<Scratch> QuantizeStress::shared_;
std::map<int, Files> QuantizeStress::good_;
int QuantizeStress::operations_ = 0;

TEST_F(QuantizeStress, KilledAtAnyFileOperation) {
  const int kills = count_of("GPTQ_STRESS_KILLS", 25);
  for (int i = 0; i < kills && !HasFailure(); ++i) {
    const bool replaces = below(2) == 0;
    if (replaces) put_old_output(3);
    // The end, where names change, is tried as often as all the rest.
    const int at = below(2) == 0 ? 1 + below(operations_) : operations_ - below(40);
    SCOPED_TRACE("kill " + std::to_string(i) + " at " + std::to_string(at) + (replaces ? ", replacing" : ""));
    {
      TracedProcess run(arguments(output(), 4, replaces ? "--force" : ""), log());
      if (run.advance(at)) run.kill();
    }
    expect_whole_or_absent();
    if (below(2) == 0) {  // once more, killed again or not, with any option
      const std::array<std::string, 3> options = {"", "--resume", "--force"};
      TracedProcess run(arguments(output(), 4, options[below(3)]), log());
      if (run.advance(1 + below(operations_))) {
        run.kill();
      } else {
        expect_success_or_refusal(run.exit_code());
      }
      expect_whole_or_absent();
    }
    expect_recovery(4);
    fs::remove_all(output());
    fs::remove(log());
  }
}

TEST_F(QuantizeStress, TwoRunsInAnyOrder) {
  const std::array<std::string, 3> options = {"", "--force", "--resume"};
  const int schedules = count_of("GPTQ_STRESS_SCHEDULES", 25);
  for (int i = 0; i < schedules && !HasFailure(); ++i) {
    if (below(3) == 0) put_old_output(3);
    if (below(3) == 0) {  // an earlier run was killed
      TracedProcess run(arguments(output(), 4, "--force"), log());
      if (run.advance(1 + below(operations_))) run.kill();
    }
    const int first_bits = 3 + below(2), second_bits = 3 + below(2);
    const std::string first_option = options[below(3)], second_option = options[below(3)];
    SCOPED_TRACE("schedule " + std::to_string(i) + ": " + std::to_string(first_bits) + " bits " + first_option + ", " +
                 std::to_string(second_bits) + " bits " + second_option);
    TracedProcess first(arguments(output(), first_bits, first_option), log());
    TracedProcess second(arguments(output(), second_bits, second_option), log());
    // Long and short turns: a random scale for each schedule.
    const int longest = 1 << below(9);
    while (!first.has_ended() || !second.has_ended()) {
      TracedProcess& next = below(2) == 0 ? first : second;
      next.advance(1 + below(longest));
    }
    expect_success_or_refusal(first.exit_code());
    expect_success_or_refusal(second.exit_code());
    expect_whole_or_absent();
    const Files found = read_all(output());
    const bool by_first = first.exit_code() == 0 && found == good_[first_bits];
    const bool by_second = second.exit_code() == 0 && found == good_[second_bits];
    EXPECT_TRUE(by_first || by_second || (first.exit_code() != 0 && second.exit_code() != 0)) << "a success without its result";
    if (HasFailure()) ADD_FAILURE() << read_whole(log());
    if (fs::exists(output() + ".partial")) expect_recovery(4);
    fs::remove_all(output());
    fs::remove(log());
  }
}

}  // namespace
}  // namespace gptq::testing
