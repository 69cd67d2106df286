// Names of models, revisions and paths; globs as Python matches them.
#include <gtest/gtest.h>

#include "hub/download/glob.h"
#include "hub/repository/names.h"
#include "tests/hub/fixture.h"

namespace gptq::hub {

namespace {

using Strings = std::vector<std::string>;

TEST(Names, RepositoryIdsAreThoseOfHuggingfaceHub) {
  const std::string max_name(96, 'a');
  for (const std::string& id :
       Strings{"gpt2", "org/name", "a.b_c-d/e", "_x_/_y_", "org/" + max_name, max_name + "/x", "0/1"})
    EXPECT_TRUE(is_repo_id(id)) << id;
  for (const std::string& id : Strings{"",
                                       "/",
                                       "org/",
                                       "/name",
                                       "a/b/c",
                                       "-a",
                                       "a-",
                                       ".a",
                                       "a.",
                                       "org/-a",
                                       "org/a.",
                                       "a--b",
                                       "a..b",
                                       "a.git",
                                       "org/a b",
                                       "org/é",
                                       "org/a\n",
                                       "../x",
                                       "org/" + max_name + "a",
                                       "a\\b",
                                       "a@b"})
    EXPECT_FALSE(is_repo_id(id)) << id;
}

TEST(Names, RevisionStandsBehindAnAtOrInTheOption) {
  EXPECT_EQ(ModelName::parse("org/name").revision, "main");
  EXPECT_EQ(ModelName::parse("org/name@v1.0").revision, "v1.0");
  EXPECT_EQ(ModelName::parse("org/name", "refs/pr/3").revision, "refs/pr/3");
  EXPECT_EQ(ModelName::parse("org/name@dev", "dev").id, "org/name");
  const auto fails = [](const std::string& model, const std::string& revision) {
    try {
      ModelName::parse(model, revision);
    } catch (const Error& error) {
      return error.kind() == ErrorKind::kUsage;
    }
    return false;
  };
  EXPECT_TRUE(fails("org/name@", ""));
  EXPECT_TRUE(fails("org/name@a", "b"));
  for (const std::string& revision :
       Strings{"..", "../x", "a/../b", "/a", "a/", "a//b", "a b", "a:b", ".hidden", "a/.b", "a\n", "a\\b", "~a", "^",
               "a*", "a?", "a[b", std::string(256, 'a')})
    EXPECT_TRUE(fails("org/name", revision)) << revision;
}

TEST(Names, PathsOfAListingStayBelowTheFolder) {
  for (const std::string& path :
       Strings{"a", "a/b/c.json", "ü/ü", ".gitattributes", "a b", "..a", "a..", "...", ".github/x"})
    EXPECT_NO_THROW(check_repo_path(path, "test")) << path;
  for (const std::string& path :
       Strings{std::string(""), std::string("../x"), std::string("/etc/passwd"), std::string("a/../../b"),
               std::string("a//b"), std::string("a/"), std::string("./a"), std::string("a/."), std::string("a\\b"),
               std::string("a\nb"), std::string("a\0b", 3), std::string("\xff"), std::string("\xc0\xae\xc0\xae/x"),
               std::string("\xed\xa0\x80"), std::string(256, 'a'), std::string(".git/config"),
               std::string("sub/.GIT/hooks/x"), [] {
                 std::string deep;
                 for (int i = 0; i < 600; ++i) deep += "a/";
                 return deep + "a";
               }()}) {
    try {
      check_repo_path(path, "test");
      ADD_FAILURE() << path;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kVerification);
    }
  }
}

TEST(Names, UrlsAreEncoded) {
  EXPECT_EQ(url_encoded("refs/pr/1", false), "refs%2Fpr%2F1");
  EXPECT_EQ(url_encoded("a b/ü+?.json", true), "a%20b/%C3%BC%2B%3F.json");
}

TEST(Names, FoldersOfTheCache) {
  EXPECT_EQ(cache_folder_name("org/name"), "models--org--name");
  EXPECT_EQ(id_of_cache_folder("models--org--name"), "org/name");
  EXPECT_EQ(id_of_cache_folder("models--gpt2"), "gpt2");
  EXPECT_EQ(id_of_cache_folder("datasets--org--name"), "");
  EXPECT_EQ(id_of_cache_folder("models--..--x"), "");
}

// Each row was given to Python's fnmatch.fnmatchcase.
TEST(Globs, MatchAsPythonDoes) {
  struct Row {
    const char* pattern;
    const char* path;
    bool matches;
  };
  const Row rows[] = {
      {"*", "a/b/c", true},
      {"*.json", "a/b.json", true},
      {"*.json", "a.jsonl", false},
      {"a/*", "a/b/c", true},
      {"a?c", "a/c", true},
      {"a?c", "aéc", true},
      {"a??c", "aéc", false},
      {"[ab]x", "bx", true},
      {"[!ab]x", "bx", false},
      {"[!ab]x", "cx", true},
      {"[a-c]x", "bx", true},
      {"[c-a]x", "bx", false},
      {"[]]x", "]x", true},
      {"[!]]x", "]x", false},
      {"[!]]x", "ax", true},
      {"[x", "[x", true},
      {"[x", "x", false},
      {"[a-]x", "-x", true},
      {"[-a]x", "-x", true},
      {"[a-c-e]x", "dx", false},
      {"[a-c-e]x", "-x", true},
      {"[a-c-e]x", "ex", true},
      {"[é-ü]x", "öx", true},
      {"", "", true},
      {"", "a", false},
      {"**a**", "bab", true},
      {"a*b*c", "aXbXbc", true},
      {"a*b*c", "aXbXb", false},
      {"A", "a", false},
      {"[!c-a]", "z", true},
      {"[a-c][!x-z]*", "bw/q", true},
      {"*[0-9]", "a/b7", true},
      {"[^a]", "^", true},
      {"[^a]", "b", false},
      {"[[]", "[", true},
  };
  for (const Row& row : rows)
    EXPECT_EQ(glob_matches(row.pattern, row.path), row.matches) << row.pattern << " " << row.path;
}

TEST(Globs, FoldersAndBackslashesAsInHuggingfaceHub) {
  EXPECT_TRUE(glob_matches("original/", "original/a/b"));
  EXPECT_FALSE(glob_matches("original/", "original"));
  EXPECT_TRUE(glob_matches("a\\*.json", "a/b.json"));
  EXPECT_FALSE(glob_matches("*", "\xff"));
}

TEST(Globs, ManyStarsTakeNoTime) {
  std::string pattern;
  for (int i = 0; i < 200; ++i) pattern += "*a";
  EXPECT_FALSE(glob_matches(pattern + "b", std::string(1000, 'a')));
}

}  // namespace

}  // namespace gptq::hub
