// The architecture as a test: include lines follow the arrow rule, files stay short, banned words stay out.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;

const fs::path kRoot = GPTQ_SOURCE_DIR;
constexpr int kMaxLines = 800;

// Module -> modules it may include besides itself and include/gptq (ARCHITECTURE.md, "Arrows").
const std::map<std::string, std::set<std::string>> kArrows = {
    {"core", {}},
    {"backend", {"core"}},
    {"checkpoint", {"core"}},
    {"hub", {"core"}},
    {"unicode", {"core"}},
    {"tokenizer", {"core", "unicode"}},
    {"chat", {"core", "unicode", "tokenizer"}},
    {"corpus", {"core", "tokenizer", "chat"}},
    {"model", {"core", "backend", "checkpoint"}},
    {"quantize", {"core", "backend", "checkpoint", "hub", "tokenizer", "corpus", "model"}},
    {"generate", {"core", "backend", "checkpoint", "tokenizer", "chat", "model"}},
};

struct Line {
  std::string where;  // "src/core/file.cc:12"
  std::string text;   // comments and string literals removed
};

bool is_source(const fs::path& path) {
  static const std::set<std::string> kEndings = {".h", ".cc", ".cu", ".cuh", ".inl"};
  return kEndings.count(path.extension().string()) > 0;
}

std::vector<fs::path> sources_below(const std::string& folder) {
  std::vector<fs::path> files;
  if (!fs::exists(kRoot / folder)) return files;
  for (const auto& entry : fs::recursive_directory_iterator(kRoot / folder)) {
    if (entry.is_regular_file() && is_source(entry.path())) files.push_back(entry.path());
  }
  return files;
}

std::vector<Line> read_lines(const fs::path& path) {
  static const std::regex kLiteral(R"("(\\.|[^"\\])*")");
  static const std::regex kComment(R"(//.*$)");
  std::vector<Line> lines;
  std::ifstream in(path);
  std::string text;
  for (int number = 1; std::getline(in, text); ++number) {
    const bool include = text.rfind("#include", 0) == 0;
    if (!include) text = std::regex_replace(std::regex_replace(text, kLiteral, "\"\""), kComment, "");
    lines.push_back({fs::relative(path, kRoot).string() + ":" + std::to_string(number), text});
  }
  return lines;
}

std::string room_of(const std::string& include) { return include.substr(0, include.find('/')); }

TEST(Layering, RoomsIncludeOnlyWhatTheArrowsAllow) {
  static const std::regex kQuoted("^#include \"([^\"]+)\"");
  for (const auto& [room, allowed] : kArrows) {
    for (const fs::path& path : sources_below("src/" + room)) {
      const std::string file = fs::relative(path, kRoot / "src").string();
      for (const Line& line : read_lines(path)) {
        std::smatch match;
        if (!std::regex_search(line.text, match, kQuoted)) continue;
        const std::string include = match[1];
        const std::string target = room_of(include);
        EXPECT_TRUE(kArrows.count(target)) << line.where << ": include paths start with a room: " << include;
        EXPECT_TRUE(target == room || allowed.count(target)) << line.where << ": " << room << " -> " << target;
        for (const auto& [mine, other] :
             {std::pair{"backend/cpu/", "backend/cuda/"}, std::pair{"backend/cuda/", "backend/cpu/"}}) {
          EXPECT_FALSE(file.rfind(mine, 0) == 0 && include.rfind(other, 0) == 0) << line.where << ": sideways";
        }
      }
    }
  }
}

TEST(Layering, EveryFolderOfSrcIsARoom) {
  for (const auto& entry : fs::directory_iterator(kRoot / "src")) {
    EXPECT_TRUE(kArrows.count(entry.path().filename().string())) << entry.path();
  }
}

TEST(Layering, VisitorsUseTheFrontDoorOnly) {
  static const std::regex kQuoted("^#include \"([^\"]+)\"");
  for (const std::string visitor : {"apps", "python", "examples"}) {
    for (const fs::path& path : sources_below(visitor)) {
      for (const Line& line : read_lines(path)) {
        std::smatch match;
        if (!std::regex_search(line.text, match, kQuoted)) continue;
        EXPECT_FALSE(kArrows.count(room_of(match[1]))) << line.where << ": use <gptq/...> instead of " << match[1];
      }
    }
  }
}

TEST(Layering, FrontDoorHasNoThirdPartyTypes) {
  static const std::regex kInclude(R"(^#include [<"]([^>"]+)[>"])");
  for (const fs::path& path : sources_below("include")) {
    for (const Line& line : read_lines(path)) {
      std::smatch match;
      if (!std::regex_search(line.text, match, kInclude)) continue;
      const std::string include = match[1];
      EXPECT_TRUE(include.rfind("gptq/", 0) == 0 || include.find_first_of("/.") == std::string::npos)
          << line.where << ": only <gptq/...> and the standard library: " << include;
    }
  }
}

TEST(Layering, FilesStayShort) {
  for (const std::string folder : {"include", "src", "apps", "tests", "bench", "examples"}) {
    for (const fs::path& path : sources_below(folder)) {
      const size_t lines = read_lines(path).size();
      EXPECT_LE(lines, static_cast<size_t>(kMaxLines)) << path << ": one idea per file";
    }
  }
}

TEST(Layering, FirstLineSaysWhatTheFileIsFor) {
  for (const std::string folder : {"include", "src", "apps", "tests", "bench", "examples"}) {
    for (const fs::path& path : sources_below(folder)) {
      std::ifstream in(path);
      std::string first;
      std::getline(in, first);
      EXPECT_TRUE(first.rfind("// ", 0) == 0 && first.size() > 20) << path << ": begins with \"" << first << "\"";
    }
  }
}

// The types that a file defines for the linker to see, "gptq::Decoder": not members, and none in a nameless namespace.
std::vector<std::string> types_defined_in(const fs::path& path) {
  static const std::regex kOpen(R"(^(inline )?namespace (\w+(::\w+)* )?\{$)"), kClose(R"(^\}  // namespace)");
  static const std::regex kType(
      R"(^(?:template <[^{]*> )?(?:class|struct|union|enum class|enum) (\w+)( final)?( :[^:].*)? \{)");
  std::vector<std::string> types, spaces;
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) {
    std::smatch match;
    if (std::regex_search(line, match, kOpen)) {
      spaces.push_back(match[2]);
    } else if (std::regex_search(line, kClose) && !spaces.empty()) {
      spaces.pop_back();
    } else if (std::regex_search(line, match, kType) && !std::count(spaces.begin(), spaces.end(), "")) {
      std::string name;
      for (const std::string& space : spaces) name += space.substr(0, space.size() - 1) + "::";
      types.push_back(name + match[1].str());
    }
  }
  return types;
}

// Two definitions of one name in one program are undefined behaviour that no compiler and no linker reports.
TEST(Layering, OneTypeNameHasOneDefinition) {
  std::map<std::string, std::string> defined;
  for (const std::string folder : {"include", "src"}) {
    for (const fs::path& path : sources_below(folder)) {
      for (const std::string& type : types_defined_in(path)) {
        const auto [other, first] = defined.emplace(type, path.string());
        EXPECT_TRUE(first) << type << " is defined in " << path << " and in " << other->second;
      }
    }
  }
  EXPECT_TRUE(defined.count("gptq::Decoder") && defined.count("gptq::tokenizer::TokenDecoder") &&
              defined.count("gptq::Error"));
}

TEST(Layering, LibraryNeverPrintsExitsOrBranchesByMacro) {
  const std::vector<std::regex> banned = {
      std::regex(R"(\bf?printf\s*\()"), std::regex(R"(std::c(out|err)\b)"),         std::regex(R"(\babort\s*\()"),
      std::regex(R"(\bexit\s*\()"),     std::regex(R"(\bcudaDeviceSynchronize\b)"), std::regex(R"(^\s*#\s*if)"),
  };
  // Named places where a preprocessor branch is the honest tool: the processor's instruction set.
  const std::set<std::string> may_branch = {"src/backend/cpu/cpu_features.cc", "src/backend/cuda/runtime/ptx.cuh"};
  for (const fs::path& path : sources_below("src")) {
    const std::string name = fs::relative(path, kRoot).string();
    for (const Line& line : read_lines(path)) {
      for (size_t i = 0; i < banned.size(); ++i) {
        if (i + 1 == banned.size() && may_branch.count(name)) continue;
        EXPECT_FALSE(std::regex_search(line.text, banned[i])) << line.where << ": " << line.text;
      }
    }
  }
}

}  // namespace
