// What the environment says, and where tokens come from.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "hub/http/token.h"
#include "tests/hub/fixture.h"

namespace gptq::hub {

namespace {

class SettingsTest : public ::testing::Test {
 protected:
  SettingsTest() {
    for (const char* name : {"HF_HOME", "XDG_CACHE_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_TOKEN_PATH",
                             "HF_ENDPOINT", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HUB_ETAG_TIMEOUT", "HF_TOKEN",
                             "HUGGING_FACE_HUB_TOKEN", "HF_HUB_DISABLE_IMPLICIT_TOKEN", "HF_HUB_DISABLE_SYMLINKS"})
      environment.unset(name);
    environment.set("HOME", (scratch / "me").string());
  }
  std::string home(const std::string& below = "") { return (scratch / "me").string() + below; }

  testing::TempFolder scratch;
  testing::Environment environment;
};

TEST_F(SettingsTest, PlacesHaveTheDefaultsOfHuggingfaceHub) {
  Settings s = Settings::from_environment();
  EXPECT_EQ(s.endpoint, "https://huggingface.co");
  EXPECT_EQ(s.cache, home("/.cache/huggingface/hub"));
  EXPECT_EQ(s.token_file, home("/.cache/huggingface/token"));
  EXPECT_EQ(s.stored_tokens_file, home("/.cache/huggingface/stored_tokens"));
  environment.set("XDG_CACHE_HOME", "/xdg");
  EXPECT_EQ(Settings::from_environment().cache, "/xdg/huggingface/hub");
  environment.set("HF_HOME", "~/hf");
  EXPECT_EQ(Settings::from_environment().cache, home("/hf/hub"));
  environment.set("HUGGINGFACE_HUB_CACHE", "/old");
  EXPECT_EQ(Settings::from_environment().cache, "/old");
  environment.set("HF_HUB_CACHE", "$HOME/${HF_HOME}x/$NOT_SET_ANYWHERE/$");
  EXPECT_EQ(Settings::from_environment().cache, home("/~/hfx/$NOT_SET_ANYWHERE/$"));
  environment.set("HF_TOKEN_PATH", "/t");
  EXPECT_EQ(Settings::from_environment().token_file, "/t");
}

TEST_F(SettingsTest, EndpointIsAUrlWithoutSlashesAtItsEnd) {
  environment.set("HF_ENDPOINT", "https://mirror.example//");
  EXPECT_EQ(Settings::from_environment().endpoint, "https://mirror.example");
  environment.set("HF_ENDPOINT", "mirror.example");
  EXPECT_THROW(Settings::from_environment(), Error);
}

TEST_F(SettingsTest, SwitchesAndSeconds) {
  for (const char* yes : {"1", "on", "Yes", "TRUE"}) {
    environment.set("HF_HUB_OFFLINE", yes);
    EXPECT_TRUE(Settings::from_environment().offline) << yes;
  }
  environment.set("TRANSFORMERS_OFFLINE", "1");
  environment.set("HF_HUB_OFFLINE", "0");
  EXPECT_FALSE(Settings::from_environment().offline);
  environment.unset("HF_HUB_OFFLINE");
  EXPECT_TRUE(Settings::from_environment().offline);
  environment.set("HF_HUB_ETAG_TIMEOUT", "30");
  EXPECT_EQ(Settings::from_environment().metadata_timeout, 30);
  environment.set("HF_HUB_ETAG_TIMEOUT", "0");
  EXPECT_EQ(Settings::from_environment().metadata_timeout, 10);
  environment.set("HF_HUB_ETAG_TIMEOUT", "soon");
  EXPECT_THROW(Settings::from_environment(), Error);
}

TEST_F(SettingsTest, TheFirstTokenCounts) {
  const auto token = [&](const std::string& given = "") {
    const Token found = find_token(Settings::from_environment(), given);
    return found.value + " from " + found.source;
  };
  EXPECT_EQ(token(), " from ");
  const fs::path file = Settings::from_environment().token_file;
  testing::write_whole(file, "  hf_file\r\n");
  EXPECT_EQ(token(), "hf_file from " + file.string());
  environment.set("HUGGING_FACE_HUB_TOKEN", "hf_old");
  EXPECT_EQ(token(), "hf_old from HUGGING_FACE_HUB_TOKEN");
  environment.set("HF_TOKEN", " \n");
  EXPECT_EQ(token(), "hf_old from HUGGING_FACE_HUB_TOKEN");
  environment.set("HF_TOKEN", "hf_new\n");
  EXPECT_EQ(token(), "hf_new from HF_TOKEN");
  EXPECT_EQ(token("hf_given"), "hf_given from --token");
  environment.set("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1");
  EXPECT_EQ(token(), " from ");
  EXPECT_EQ(token("hf_given"), "hf_given from --token");
}

TEST_F(SettingsTest, ATokenThatWouldSplitAHeaderIsRefusedWithoutShowingIt) {
  environment.set("HF_TOKEN", "hf_secret\x01X");
  try {
    find_token(Settings::from_environment(), "");
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kPermission);
    EXPECT_NE(std::string(error.what()).find("HF_TOKEN"), std::string::npos);
    EXPECT_EQ(std::string(error.what()).find("secret"), std::string::npos);
  }
}

TEST_F(SettingsTest, StoredTokensAreForTheirOwnerOnly) {
  const Settings s = Settings::from_environment();
  store_token(s, "laptop", "hf_one");
  store_token(s, "ci", "hf_two");
  const auto mode = [](const fs::path& path) {
    struct stat info {};
    EXPECT_EQ(::stat(path.c_str(), &info), 0);
    return info.st_mode & 0777;
  };
  EXPECT_EQ(mode(s.token_file), 0600u);
  EXPECT_EQ(mode(s.stored_tokens_file), 0600u);
  EXPECT_EQ(mode(s.token_file.parent_path()), 0700u);
  EXPECT_EQ(find_token(s, "").value, "hf_two");
  EXPECT_EQ(read_stored_tokens(s), (std::map<std::string, std::string>{{"ci", "hf_two"}, {"laptop", "hf_one"}}));
  forget_token(s, "ci");
  EXPECT_EQ(find_token(s, "").value, "");
  EXPECT_EQ(read_stored_tokens(s).count("laptop"), 1u);
  forget_token(s, "");
  EXPECT_TRUE(read_stored_tokens(s).empty());
  EXPECT_EQ(redacted("hf_abcdefghijklmnop"), "hf_…mnop");
  EXPECT_EQ(redacted("hf_short"), "…");
}

}  // namespace

}  // namespace gptq::hub
