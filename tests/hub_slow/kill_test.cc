// Downloads that die at any moment, alone and several at once: what is in the cache is right all the same.
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <random>
#include <thread>

#include "tests/hub/fixture.h"

extern char** environ;

namespace gptq::testing {

namespace {

// A pull of its own process: this very program, told to run one disabled test.
class Puller {
 public:
  Puller() {
    const std::string program = fs::read_symlink("/proc/self/exe").string();
    std::vector<std::string> words = {program, "--gtest_filter=KilledPull.DISABLED_Once",
                                      "--gtest_also_run_disabled_tests", "--gtest_brief=1"};
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    std::vector<char*> variables;  // without ctest's shard, which the one test may not belong to
    for (char** variable = environ; *variable != nullptr; ++variable) {
      if (!std::string_view(*variable).starts_with("GTEST_")) variables.push_back(*variable);
    }
    variables.push_back(nullptr);
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    EXPECT_EQ(posix_spawn(&process_, program.c_str(), &files, nullptr, arguments.data(), variables.data()), 0);
    posix_spawn_file_actions_destroy(&files);
  }
  Puller(const Puller&) = delete;
  Puller& operator=(const Puller&) = delete;
  ~Puller() {
    if (process_ > 0) kill_it();
  }

  void kill_it() {
    ::kill(process_, SIGKILL);
    wait();
  }
  // 0: the pull was done.
  int wait() {
    int status = 0;
    ::waitpid(process_, &status, 0);
    process_ = -1;
    return status;
  }
  bool is_done() {
    int status = 0;
    if (process_ < 0 || ::waitpid(process_, &status, WNOHANG) == 0) return process_ < 0;
    process_ = -1;
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
    return true;
  }

 private:
  pid_t process_ = -1;
};

TEST(KilledPull, DISABLED_Once) { EXPECT_EQ(pull("org/tiny", {}).files.size(), 6u); }

class KillTest : public HubTest {
 protected:
  KillTest() {
    environment_.set("HF_HUB_DOWNLOAD_TIMEOUT", "20");
    environment_.set("HF_HUB_ETAG_TIMEOUT", "20");
    hub_.commit(kId, {{"a.model", second_}, {"b.model", noise(700'000, 12)}});
    commit_ = hub_.repo(kId).branches["main"];
    hub_.server().add_fault(Fault::slow("model", 4'000'000).on(Host::kStorage).repeated(-1));
  }
  void expect_right() {
    EXPECT_EQ(read_whole(snapshot() / "model.safetensors"), weights_);
    EXPECT_EQ(read_whole(snapshot() / "a.model"), second_);
    EXPECT_EQ(read_whole(snapshot() / "config.json"), config_);
    EXPECT_EQ(read_whole(root() / "refs" / "main"), commit_);
    EXPECT_TRUE(verify_cached("").empty());
    for (const auto& entry : fs::directory_iterator(root() / "blobs"))
      EXPECT_NE(entry.path().extension(), ".incomplete") << entry.path();
  }
  // Names that exist mean content that is right, at every moment.
  void expect_no_half_files() {
    for (const CacheFault& fault : verify_cached("")) ADD_FAILURE() << fault.path << ": " << fault.what;
  }
  void sleep_up_to(int milliseconds) {
    std::this_thread::sleep_for(
        std::chrono::milliseconds(std::uniform_int_distribution<int>(0, milliseconds)(random_)));
  }

  // GPTQ_STRESS_KILLS: how often, instead of 60 times.
  const int wanted_ = getenv("GPTQ_STRESS_KILLS") == nullptr ? 60 : std::stoi(getenv("GPTQ_STRESS_KILLS"));
  const std::string second_ = noise(1'500'000, 11);
  std::mt19937 random_{20260101};
};

TEST_F(KillTest, OneProcessAgainAndAgain) {
  for (int kills = 0; kills < wanted_;) {
    fs::remove_all(cache());
    for (;;) {
      Puller puller;
      sleep_up_to(250);
      if (puller.is_done()) break;
      puller.kill_it();
      ++kills;
      expect_no_half_files();
    }
    expect_right();
  }
  int resumed = 0;
  for (const Request& request : hub_.server().requests()) resumed += request.header("range").empty() ? 0 : 1;
  EXPECT_GT(resumed, wanted_ / 4) << "the kills came too early or too late to mean anything";
}

TEST_F(KillTest, ThreeProcessesAgainAndAgain) {
  for (int kills = 0; kills < wanted_;) {
    fs::remove_all(cache());
    std::vector<std::unique_ptr<Puller>> pullers(3);
    for (int done = 0; done == 0;) {
      for (auto& puller : pullers) {
        if (puller == nullptr) puller = std::make_unique<Puller>();
      }
      sleep_up_to(150);
      for (auto& puller : pullers) {
        if (puller->is_done()) ++done;
      }
      if (done > 0) break;
      auto& victim = pullers[std::uniform_int_distribution<size_t>(0, pullers.size() - 1)(random_)];
      victim->kill_it();
      victim.reset();
      ++kills;
    }
    for (auto& puller : pullers) {
      if (puller == nullptr || puller->is_done()) continue;
      EXPECT_EQ(puller->wait(), 0);
    }
    expect_right();
  }
}

TEST_F(KillTest, SixProcessesFetchEachFileOnce) {
  std::vector<std::unique_ptr<Puller>> pullers;
  for (int i = 0; i < 6; ++i) pullers.push_back(std::make_unique<Puller>());
  for (auto& puller : pullers) EXPECT_EQ(puller->wait(), 0);
  expect_right();
  EXPECT_EQ(hub_.server().count("GET", "model.safetensors", Host::kStorage), 1);
  EXPECT_EQ(hub_.server().count("GET", "a.model", Host::kStorage), 1);
}

}  // namespace

}  // namespace gptq::testing
