// A local Hub with one model, a cache of its own, and a clock that does not wait: what tests of pull() start from.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <sstream>
#include <string>
#include <vector>

#include "hub/download/pull.h"
#include "tests/hub/local_hub.h"
#include "tests/temp_folder.h"

namespace gptq::testing {

namespace fs = std::filesystem;

inline std::string read_whole(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

inline void write_whole(const fs::path& path, const std::string& text) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << text;
}

// Sets environment variables and puts back what was there.
class Environment {
 public:
  ~Environment() {
    for (const auto& [name, value] : old_)
      value.first ? setenv(name.c_str(), value.second.c_str(), 1) : unsetenv(name.c_str());
  }
  void set(const std::string& name, const std::string& value) {
    keep(name);
    setenv(name.c_str(), value.c_str(), 1);
  }
  void unset(const std::string& name) {
    keep(name);
    unsetenv(name.c_str());
  }

 private:
  void keep(const std::string& name) {
    const char* value = getenv(name.c_str());
    old_.try_emplace(name, value != nullptr, value != nullptr ? value : "");
  }
  std::map<std::string, std::pair<bool, std::string>> old_;
};

// Counts seconds instead of letting them pass.
class CountingClock : public hub::Clock {
 public:
  void sleep(double seconds) override {
    const std::lock_guard lock(mutex_);
    slept_ += seconds;
  }
  double chance() override { return 1; }  // the longest waits
  double slept() const {
    const std::lock_guard lock(mutex_);
    return slept_;
  }

 private:
  mutable std::mutex mutex_;
  double slept_ = 0;
};

// Bytes without a pattern, the same every time.
inline std::string noise(size_t size, uint64_t seed) {
  std::string bytes(size, '\0');
  for (char *c = bytes.data(), *end = c + size; c != end; ++c) {  // at -O0 iterators are slow
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    *c = static_cast<char>(seed >> 56);
  }
  return bytes;
}

class HubTest : public ::testing::Test {
 protected:
  HubTest() {
    for (const char* name :
         {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_TOKEN_PATH",
          "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HUB_DISABLE_SYMLINKS", "HF_HUB_DISABLE_IMPLICIT_TOKEN",
          "HF_DEBUG", "http_proxy", "HTTP_PROXY", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"}) {
      environment_.unset(name);
    }
    environment_.set("HF_HOME", (scratch_ / "home").string());
    environment_.set("HF_ENDPOINT", hub_.endpoint());
    environment_.set("HF_HUB_ETAG_TIMEOUT", "2");
    environment_.set("HF_HUB_DOWNLOAD_TIMEOUT", "2");
    commit_ = hub_.commit(kId, {{"config.json", config_},
                                {"README.md", "# Tiny"},
                                {"sub/notes.txt", "not for models"},
                                {"tokenizer.json", tokenizer_},
                                {"model.safetensors", weights_}});
  }

  PullResult pull(const PullOptions& options = {}, const std::string& model = kId, const TransferSink& sink = {}) {
    hub::Session session = hub::open_session(options.token);
    session.clock = &clock_;
    session.settings.low_speed_time = low_speed_time_;
    return hub::pull(std::move(session), hub::ModelName::parse(model, options.revision), options, sink);
  }

  // The Error that pulling throws; fails the test when it throws none.
  Error error_of_pull(const PullOptions& options = {}, const std::string& model = kId) {
    try {
      pull(options, model);
    } catch (const Error& error) {
      return error;
    }
    ADD_FAILURE() << "pulling " << model << " did not fail";
    return Error(ErrorKind::kGeneral, "");
  }

  fs::path cache() const { return scratch_ / "home" / "hub"; }
  fs::path root() const { return cache() / "models--org--tiny"; }
  fs::path snapshot() const { return root() / "snapshots" / commit_; }
  int requests() { return static_cast<int>(hub_.server().requests().size()); }

  static constexpr const char* kId = "org/tiny";
  const std::string config_ = R"({"model_type": "llama"})", tokenizer_ = noise(40'000, 1),
                    weights_ = noise(3'000'000, 2);
  TempFolder scratch_;
  Environment environment_;
  LocalHub hub_;
  CountingClock clock_;
  int low_speed_time_ = 60;
  std::string commit_;
};

inline std::string contains(const std::string& text, const std::vector<std::string>& parts) {
  for (const std::string& part : parts) {
    if (text.find(part) == std::string::npos) return "\"" + part + "\" is not in: " + text;
  }
  return "";
}

}  // namespace gptq::testing
