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

// Folder of a module -> folders of the same module that it may include besides itself; "" is the module's own folder. A
// folder may have a row with folders of its own.
const std::map<std::string, std::map<std::string, std::set<std::string>>> kFolderArrows = {
    {"hub",
     {{"http", {}},
      {"auth", {"http"}},
      {"repository", {"http"}},
      {"cache", {"http", "repository"}},
      {"download", {"http", "repository", "cache"}},
      {"upload", {"http", "auth", "repository"}}}},
    {"tokenizer", {{"components", {}}, {"formats", {"components"}}, {"", {"components", "formats"}}}},
    {"chat", {{"jinja", {}}, {"", {"jinja"}}}},
    {"backend", {{"sampling", {}}, {"cpu", {""}}, {"cuda", {"", "sampling"}}, {"", {"cpu", "cuda", "sampling"}}}},
    {"backend/cuda",
     {{"device", {}},
      {"runtime", {"device"}},
      {"elementwise", {"device", "runtime"}},
      {"attention", {"device", "runtime"}},
      {"sampling", {"device", "runtime"}},
      {"gptq", {"device", "runtime"}},
      {"linear", {"device", "runtime", "elementwise", "gptq"}},
      {"decode", {"device", "runtime", "elementwise", "attention", "linear", "sampling"}},
      {"", {"device", "runtime", "elementwise", "attention", "linear", "sampling", "gptq", "decode"}}}},
};

// The namespace that a module's code is in.
std::string namespace_of(const std::string& module) {
  if (module == "core") return "gptq";
  return "gptq::" + (module == "quantize" ? "quantization" : module);  // gptq::quantize is a function
}

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

std::string module_of(const std::string& include) { return include.substr(0, include.find('/')); }

TEST(Layering, ModulesIncludeOnlyWhatTheArrowsAllow) {
  static const std::regex kQuoted("^#include \"([^\"]+)\"");
  for (const auto& [module, allowed] : kArrows) {
    for (const fs::path& path : sources_below("src/" + module)) {
      const std::string file = fs::relative(path, kRoot / "src").string();
      for (const Line& line : read_lines(path)) {
        std::smatch match;
        if (!std::regex_search(line.text, match, kQuoted)) continue;
        const std::string include = match[1];
        const std::string target = module_of(include);
        EXPECT_TRUE(kArrows.count(target)) << line.where << ": include paths start with a module: " << include;
        EXPECT_TRUE(target == module || allowed.count(target)) << line.where << ": " << module << " -> " << target;
        for (const auto& [mine, other] :
             {std::pair{"backend/cpu/", "backend/cuda/"}, std::pair{"backend/cuda/", "backend/cpu/"}}) {
          EXPECT_FALSE(file.rfind(mine, 0) == 0 && include.rfind(other, 0) == 0) << line.where << ": sideways";
        }
      }
    }
  }
}

// "http" of "hub/http/session.h" in "hub"; "" of "chat/messages.h" in "chat".
std::string folder_in(const std::string& parent, const std::string& file) {
  const size_t begin = parent.size() + 1, end = file.find('/', begin);
  return end == std::string::npos ? "" : file.substr(begin, end - begin);
}

TEST(Layering, FoldersOfAModuleIncludeOnlyWhatTheArrowsAllow) {
  static const std::regex kQuoted("^#include \"([^\"]+)\"");
  for (const auto& [module, folders] : kFolderArrows) {
    for (const fs::path& path : sources_below("src/" + module)) {
      const std::string folder = folder_in(module, fs::relative(path, kRoot / "src").string());
      ASSERT_TRUE(folders.count(folder)) << path << ": no row in kFolderArrows";
      for (const Line& line : read_lines(path)) {
        std::smatch match;
        if (!std::regex_search(line.text, match, kQuoted) || match[1].str().rfind(module + "/", 0) != 0) continue;
        const std::string target = folder_in(module, match[1]);
        EXPECT_TRUE(target == folder || folders.at(folder).count(target))
            << line.where << ": " << module << "/" << folder << " -> " << module << "/" << target;
      }
    }
  }
}

// The template engine is a library of its own: what it renders is not its business.
TEST(Layering, JinjaKnowsOnlyValuesAndUnicode) {
  static const std::regex kOther("^#include \"(?!core/|unicode/|chat/jinja/)|^#include <gptq/(?!error)");
  for (const fs::path& path : sources_below("src/chat/jinja")) {
    for (const Line& line : read_lines(path)) {
      EXPECT_FALSE(std::regex_search(line.text, kOther)) << line.where << ": " << line.text;
    }
  }
}

// In plain gptq a module only implements what include/gptq declares.
TEST(Layering, AModuleIsInItsNamespace) {
  static const std::regex kOpen(R"(^namespace (gptq(::\w+)*) \{$)");
  static const std::regex kType(R"(^(class|struct|union|enum class|enum) (\w+)\b(?!::)[^;]*\{)");
  static const std::regex kFunction(R"(^[\w:<][^=(]*[ &*>](\w+)\()");
  std::string declared;
  for (const fs::path& path : sources_below("include")) {
    for (const Line& line : read_lines(path)) declared += line.text + "\n";
  }
  for (const auto& [module, allowed] : kArrows) {
    const std::string own = namespace_of(module);
    if (own == "gptq") continue;
    for (const fs::path& path : sources_below("src/" + module)) {
      std::string space;
      for (const Line& line : read_lines(path)) {
        std::smatch match;
        if (std::regex_search(line.text, match, kOpen)) {
          space = match[1];
          EXPECT_TRUE(space == "gptq" || space == own || space.rfind(own + "::", 0) == 0) << line.where;
        } else if (space == "gptq" && std::regex_search(line.text, match, kType)) {
          ADD_FAILURE() << line.where << ": " << match[2] << " belongs into " << own;
        } else if (space == "gptq" && std::regex_search(line.text, match, kFunction)) {
          EXPECT_TRUE(std::regex_search(declared, std::regex("\\b" + match[1].str() + "\\(")))
              << line.where << ": into " << own;
        }
      }
      EXPECT_EQ(space.empty(), path.extension() == ".inl")
          << path << ": .inl files are included in a namespace, others open one";
    }
  }
}

// The definition of Json costs a source file seconds; a header needs its declaration only.
TEST(Layering, HeadersOnlyDeclareJson) {
  static const std::regex kDefinition(R"(^#include ("core/json\.h"|<nlohmann/json\.hpp>))");
  for (const fs::path& path : sources_below("src")) {
    if (path.extension() == ".cc" || path == kRoot / "src/core/json.h") continue;
    for (const Line& line : read_lines(path)) {
      EXPECT_FALSE(std::regex_search(line.text, kDefinition)) << line.where << ": include core/json_fwd.h";
    }
  }
}

// gptq_test(NAME ...) takes every tests/NAME/**/*_test.cc and tests/NAME_test.cc.
TEST(Layering, EveryTestIsBuilt) {
  std::string cmake;
  for (const Line& line : read_lines(kRoot / "tests/CMakeLists.txt")) cmake += line.text + "\n";
  for (const fs::path& path : sources_below("tests")) {
    const std::string name = fs::relative(path, kRoot / "tests").string();
    if (!name.ends_with("_test.cc")) continue;
    const size_t slash = name.find('/');
    const std::string program = slash == std::string::npos ? name.substr(0, name.size() - 8) : name.substr(0, slash);
    EXPECT_TRUE(std::regex_search(cmake, std::regex("gptq_test\\(" + program + " "))) << path << " is built by nothing";
  }
}

// A formatter that broke a comment in the wrong place leaves such lines.
TEST(Layering, NoCommentLineIsALeftover) {
  static const std::regex kWord(R"(^\s*//( \S+( \S+)?|\s+[a-z]+)$)"), kComment("//");
  for (const std::string folder : {"include", "src", "apps", "tests", "bench", "examples"}) {
    for (const fs::path& path : sources_below(folder)) {
      const std::string name = fs::relative(path, kRoot).string();
      std::ifstream in(path);
      std::string before;
      int number = 0;
      for (std::string line; std::getline(in, line); before = line) {
        ++number;
        if (before.size() <= 100 || !std::regex_search(before, kComment)) continue;
        EXPECT_FALSE(std::regex_search(line, kWord)) << name << ":" << number << ": " << line;
      }
    }
  }
}

// Families are the only place that knows what the modules of a layer are called and in which order they run.
TEST(Layering, LayersAreDescribedByFamiliesOnly) {
  static const std::regex kModule(R"re("[^"]*(_proj|layernorm|self_attn|mlp\.)[^"]*")re"), kComment(R"(//.*$)");
  static const std::regex kStage(R"(\bk?stages?\b|\b(kLinearSets|kInputGroups)\b|\bgroups\[\d)", std::regex::icase);
  for (const fs::path& path : sources_below("src")) {
    const std::string name = fs::relative(path, kRoot / "src").string();
    if (name.rfind("model/families/", 0) == 0) continue;
    std::ifstream in(path);
    int number = 0;
    for (std::string line; std::getline(in, line);) {
      ++number;
      line = std::regex_replace(line, kComment, "");
      EXPECT_FALSE(std::regex_search(line, kModule)) << name << ":" << number << ": " << line;
      const std::string module = module_of(name);
      if (module != "model" && module != "quantize" && module != "generate") continue;
      EXPECT_FALSE(std::regex_search(line, kStage)) << name << ":" << number << ": " << line;
    }
  }
}

// What depends on the device is a backend's answer (Capabilities).
TEST(Layering, OnlyTheBackendAsksWhichDeviceItIs) {
  static const std::regex kKind(R"(\bKind::k(Cpu|Cuda)\b)");
  for (const fs::path& path : sources_below("src")) {
    if (module_of(fs::relative(path, kRoot / "src").string()) == "backend") continue;
    for (const Line& line : read_lines(path)) EXPECT_FALSE(std::regex_search(line.text, kKind)) << line.where;
  }
}

// clang-format puts the ends of functions where they can be found: "}" at the start of a line, members two columns in.
TEST(Layering, FunctionsStayShort) {
  constexpr int kMaxFunctionLines = 80;
  static const std::regex kFunction(R"(\)( const)?( noexcept)?( override)?( -> .*)? \{$)");
  for (const fs::path& path : sources_below("src")) {
    std::ifstream in(path);
    std::map<size_t, int> begins;  // by the columns of indentation
    int number = 0;
    for (std::string line; std::getline(in, line);) {
      ++number;
      const size_t indent = line.find_first_not_of(' ');
      if (indent == std::string::npos || indent > 2) continue;
      if (line[indent] == '}') {
        const auto begin = begins.find(indent);
        if (begin == begins.end()) continue;
        EXPECT_LE(number - begin->second + 1, kMaxFunctionLines) << path << ":" << begin->second;
        begins.erase(begin);
      } else if (std::regex_search(line, kFunction)) {
        begins[indent] = number;
      } else if (line.ends_with("{")) {
        begins.erase(indent);
      }
    }
  }
}

TEST(Layering, EveryFolderOfSrcIsAModule) {
  for (const auto& entry : fs::directory_iterator(kRoot / "src")) {
    EXPECT_TRUE(kArrows.count(entry.path().filename().string())) << entry.path();
  }
}

TEST(Layering, ApplicationsUsePublicHeadersOnly) {
  static const std::regex kQuoted("^#include \"([^\"]+)\"");
  for (const std::string application : {"apps", "python", "examples"}) {
    for (const fs::path& path : sources_below(application)) {
      for (const Line& line : read_lines(path)) {
        std::smatch match;
        if (!std::regex_search(line.text, match, kQuoted)) continue;
        EXPECT_FALSE(kArrows.count(module_of(match[1]))) << line.where << ": use <gptq/...> instead of " << match[1];
      }
    }
  }
}

TEST(Layering, PublicHeadersHaveNoThirdPartyTypes) {
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
  EXPECT_TRUE(defined.count("gptq::model::Transformer") && defined.count("gptq::tokenizer::TokenDecoder") &&
              defined.count("gptq::Error"));
}

TEST(Layering, LibraryNeverPrintsExitsOrBranchesByMacro) {
  const std::vector<std::regex> banned = {
      std::regex(R"(\bf?printf\s*\()"), std::regex(R"(std::c(out|err)\b)"),         std::regex(R"(\babort\s*\()"),
      std::regex(R"(\bexit\s*\()"),     std::regex(R"(\bcudaDeviceSynchronize\b)"), std::regex(R"(^\s*#\s*if)"),
  };
  // Named places where a preprocessor branch is needed: the processor's instruction set.
  const std::set<std::string> may_branch = {"src/backend/cpu/cpu_features.cc",
                                            "src/backend/cpu/packed/kernels_portable.cc",
                                            "src/backend/cuda/runtime/ptx.cuh"};
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
