// Model cards: the metadata block that is read, and the one that is written.
#include "core/json.h"
#include "hub/upload/model_card.h"

#include "hub/repository/front_matter.h"
#include "tests/hub/fixture.h"

namespace gptq::hub {

namespace {

using List = std::vector<std::string>;

FrontMatter parse(const std::string& block) {
  return parse_front_matter("---\n" + block + "\n---\n# Title\nlicense: no\n");
}

TEST(FrontMatter, PlainValuesAndLists) {
  const FrontMatter matter = parse(
      "license: apache-2.0  # free\nlicense_name: \"a: \\\"b\\\"\"\nlicense_link: 'it''s'\nlanguage:\n- en\n  - 'no'\n"
      "tags: [a, \"b, c\", d ]\nempty:\nurl: https://x/y#z\n");
  EXPECT_EQ(matter.at("license"), List{"apache-2.0"});
  EXPECT_EQ(matter.at("license_name"), List{"a: \"b\""});
  EXPECT_EQ(matter.at("license_link"), List{"it's"});
  EXPECT_EQ(matter.at("language"), (List{"en", "no"}));
  EXPECT_EQ(matter.at("tags"), (List{"a", "b, c", "d"}));
  EXPECT_EQ(matter.at("empty"), List{});
  EXPECT_EQ(matter.at("url"), List{"https://x/y#z"});
}

TEST(FrontMatter, WindowsLinesAndAByteOrderMark) {
  const FrontMatter matter = parse_front_matter("\xEF\xBB\xBF---\r\nlicense: mit\r\nlanguage:\r\n- de\r\n---\r\nText");
  EXPECT_EQ(matter.at("license"), List{"mit"});
  EXPECT_EQ(matter.at("language"), List{"de"});
}

TEST(FrontMatter, LeavesOutWhatIsNested) {
  const FrontMatter matter = parse(
      "model-index:\n- name: x\n  results:\n  - license: wrong\nwidget: {a: b}\ntext: |\n  license: wrong\nlicense: "
      "mit");
  EXPECT_EQ(matter.at("license"), List{"mit"});
  EXPECT_EQ(matter.at("model-index"), List{});
  EXPECT_EQ(matter.at("widget"), List{});
}

TEST(FrontMatter, NoBlockGivesNothing) {
  for (const char* text :
       {"", "# Title\n---\nlicense: mit\n---\n", "---\nlicense: mit\n", "---", "---\n---\n", "\n---\na: b\n"})
    EXPECT_TRUE(parse_front_matter(text).empty()) << text;
}

TEST(FrontMatter, WhatIsWrittenIsRead) {
  for (const char* value : {"mit", "4-bit", "no", "True", "a: b", "it's", "\"quoted\"", "# x", "- y", "[z]",
                            "back\\slash", "two words", "", "1.0", "null", "räksmörgås"}) {
    EXPECT_EQ(parse("key: " + yaml_text(value)), (FrontMatter{{"key", *value ? List{value} : List{}}})) << value;
  }
  EXPECT_EQ(yaml_text("no"), "\"no\"");  // Norwegian, not false
  EXPECT_EQ(yaml_text("apache-2.0"), "apache-2.0");
}

TEST(Origin, OfASnapshotAndOfAFolder) {
  const testing::TempFolder scratch;
  const std::string commit(40, 'c');
  const fs::path snapshot = scratch.path() / "models--org--name" / "snapshots" / commit;
  testing::write_whole(snapshot / "README.md", "---\nlicense: llama3\nlanguage: [en, de]\n---\n");
  for (const fs::path& path : {snapshot, snapshot / "", snapshot / "." / ""}) {
    const Origin origin = origin_of(path);
    EXPECT_EQ(origin.id, "org/name") << path;
    EXPECT_EQ(origin.commit, commit);
    EXPECT_EQ(origin.license, "llama3");
    EXPECT_EQ(origin.languages, (List{"en", "de"}));
    EXPECT_EQ(to_json(origin_from_json(to_json(origin), "x")), to_json(origin));
  }
  const Origin unknown = origin_of(scratch.path());
  EXPECT_TRUE(unknown.id.empty() && unknown.commit.empty() && unknown.license.empty());
  EXPECT_TRUE(to_json(unknown).is_null());
  fs::create_directories(scratch / "linked");
  fs::create_symlink(snapshot / "README.md", scratch / "linked" / "README.md");
  EXPECT_EQ(origin_of(scratch / "linked").license, "") << "a link out of the model's folder was followed";
}

TEST(QuantizationRecord, OfOtherProgramsToo) {
  const testing::TempFolder scratch;
  const auto read = [&](const std::string& json) {
    testing::write_whole(scratch / "quantize_config.json", json);
    return read_quantization_record(scratch.path());
  };
  const QuantizationRecord minimal = read(R"({"bits": 3})");
  EXPECT_EQ(minimal.bits, 3);
  const std::string card = model_card({"org/x", "https://h", 5'000'000'000, minimal, std::nullopt});
  EXPECT_EQ(testing::contains(card, {"3 bits", "one group for a row", "5.00 GB", "# x\n"}), "");
  for (const char* absent : {"calibration", "error", "base_model", "license", "nan", "made with"})
    EXPECT_EQ(card.find(absent), std::string::npos) << absent;
  EXPECT_EQ(read(R"({"bits": 4, "meta": {"quantizer": "gptqmodel:1.4"}})").quantizer, "gptqmodel:1.4");
  for (const auto& [gptaq, strength] :
       std::vector<std::pair<std::string, double>>{{R"({"alpha": 0.5, "device": "auto"})", 0.5},
                                                   {R"({"alpha": 1})", 1},
                                                   {"null", 0},
                                                   {"false", -1},
                                                   {"1.0", -1}}) {
    EXPECT_EQ(read(R"({"bits": 4, "meta": {"gptaq": )" + gptaq + "}}").gptaq, strength) << gptaq;
  }
  EXPECT_EQ(minimal.gptaq, -1);
  for (const char* json :
       {"{}", "[]", R"({"bits": "4"})", R"({"bits": 4, "meta": 1})", R"({"bits": 4, "meta": {"calibration": []}})",
        R"({"bits": 4, "meta": {"base_model": "x"}})"}) {
    EXPECT_THROW(read(json), Error) << json;
  }
}

TEST(ModelCard, TextsOfStrangersStayInTheirCells) {
  QuantizationRecord record;
  record.bits = 4;
  record.quantizer = "evil | x\n# Heading\n";
  record.origin.license = "mit\nmalicious: yes";
  const std::string card = model_card({"org/x", "https://h", 0, record, std::nullopt});
  EXPECT_NE(card.find("| made with | evil \\| x # Heading  |\n"), std::string::npos) << card;
  EXPECT_EQ(parse_front_matter(card).count("malicious"), 0u);
}

TEST(ModelCard, NumbersOfAnySizeAreNumbers) {
  QuantizationRecord record;
  record.bits = 4;
  record.damp = 1e300;
  record.gptaq = 1e-300;
  record.errors = {1e300, 1e-300, "down_proj", 3};
  for (const double value : {1e300, 1e58, -1e300, 1.7976931348623157e308}) {
    const Perplexities measured{"eval.txt", 512, value, 30.5};
    const std::string card = model_card({"org/x", "https://h", 0, record, measured});
    EXPECT_EQ(testing::contains(card, {"before, 30.5000 after (eval.txt", "damping | 1e+300 |", "at most 1e-300"}), "");
    const size_t begin = card.find("| perplexity | ") + 15, end = card.find(" before", begin);
    ASSERT_LT(begin, end);
    EXPECT_NEAR(std::stod(card.substr(begin, end - begin)) / value, 1, 1e-5);
    for (const char c : card) EXPECT_TRUE(static_cast<unsigned char>(c) >= 0x20 || c == '\n') << int{c};
  }
}

TEST(ModelCard, ANameOfTheBaseModelStaysOnItsLine) {
  QuantizationRecord record;
  record.bits = 4;
  record.format = "gptq\n# Format";
  record.clip = "mse\n# Clip";
  record.origin.id = "org/name\n\n# Heading\n<script>";
  record.origin.commit = "abc\n# Commit";
  const std::string card = model_card({"org/x", "https://h", 0, record, std::nullopt});
  const std::string text = card.substr(card.find("\n---\n"));  // behind the metadata, which is quoted
  for (const char* heading : {"\n# Heading", "\n# Format", "\n# Clip", "\n# Commit", "<script>"})
    EXPECT_EQ(text.find(heading), std::string::npos) << card;
  EXPECT_EQ(testing::contains(card, {"org/name  # Heading &lt;script>, quantized to 4 bits"}), "");
}

}  // namespace

}  // namespace gptq::hub
