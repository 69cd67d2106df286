// Text files as people have them: what is read, what is left out, and what errors say.
#include <gptq/corpus.h>

#include <gtest/gtest.h>
#include <zlib.h>

#include <gptq/chat.h>
#include <gptq/error.h>

#include "core/file.h"
#include "core/json.h"
#include "corpus/rows.h"
#include "corpus/text_source.h"
#include "tests/tokenizer/make_tokenizer.h"

namespace gptq::corpus {
namespace {

const std::string kDemoFolder = std::string(GPTQ_SOURCE_DIR) + "/models/demo";

struct Reading {
  std::vector<std::string> texts;  // of text rows; messages as JSON; ids as JSON
  size_t skipped = 0;
};

Reading rows(const std::string& text, const std::string& name = "data") {
  Reading result;
  result.skipped = read_rows(text, name, [&](Row& row) {
    result.texts.push_back(row.kind == Row::Kind::kText           ? row.text
                           : row.kind == Row::Kind::kConversation ? row.messages->dump()
                                                                  : Json(row.ids).dump());
  });
  return result;
}

using Texts = std::vector<std::string>;

template <typename Body>
std::string failure(const Body& body, ErrorKind kind = ErrorKind::kVerification) {
  try {
    body();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind) << error.what();
    EXPECT_LT(std::string(error.what()).size(), 600u);
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
    return error.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return "";
}

void expect_in(const std::string& text, const std::vector<std::string>& parts) {
  for (const std::string& part : parts) EXPECT_NE(text.find(part), std::string::npos) << part << " in " << text;
}

TEST(TextSource, DataThatIsNotTextIsNamed) {
  const auto refused = [](const std::string& bytes) { return failure([&] { decode_text(bytes, "c.bin"); }); };
  expect_in(refused("PAR1 some pages PAR1"), {"c.bin", "parquet", "read_parquet('c.bin')"});
  expect_in(refused("ARROW1 abc"), {"Arrow", "read_feather"});
  expect_in(refused("\xFF\xFF\xFF\xFF\x10 abc"), {"Arrow stream", "from_file"});
  expect_in(refused("\x28\xB5\x2F\xFD abc"), {"c.bin", "zstd data is damaged", "zstd -t"});
  expect_in(refused("\xFD"
                    "7zXZ abc"),
            {"xz -dk"});
  expect_in(refused("PK\x03\x04 abc"), {"zip"});
  expect_in(refused(std::string("some\0text", 9)), {"zero byte at 4"});
  expect_in(refused("caf\xE9 au lait"), {"not UTF-8 (at byte 3)", "iconv"});
}

TEST(TextSource, GzipUtf16AndByteOrderMarksAreRead) {
  EXPECT_EQ(decode_text("\xEF\xBB\xBFhello", "a"), "hello");
  EXPECT_EQ(decode_text(std::string("\xFF\xFEh\0\xE9\0=\xD8\x00\xDE", 10), "a"), "h\xC3\xA9\xF0\x9F\x98\x80");
  EXPECT_EQ(decode_text(std::string("\xFE\xFF\0h\xD8=", 6), "a"), "h\xEF\xBF\xBD");
  EXPECT_EQ(decode_text(std::string("h\0e\0l\0l\0o\0", 10), "a"), "hello");
  const testing::TempFolder folder;
  const std::string path = folder / "a.txt";
  gzFile file = gzopen(path.c_str(), "wb");
  gzwrite(file, "PAR1 inside", 11);
  gzclose(file);
  expect_in(failure([&] { decode_text(read_file(path), "a.txt"); }), {"parquet"});
  const std::string zstd("\x28\xb5\x2f\xfd\x20\x05\x29\x00\x00hello", 14);  // one raw block
  EXPECT_EQ(decode_text(zstd, "a.txt"), "hello");
}

TEST(CorpusRows, PackedFilesAreReadAsWhatIsInThem) {
  for (const char* name : {"a.jsonl", "a.jsonl.gz", "a.jsonl.zst"}) {
    expect_in(failure([&] { rows("{\"text\": \"Hi\"", name); }), {"line 1"});  // a broken row, not a plain text
  }
}

TEST(CorpusRows, FormsAreToldApartByTheirBytes) {
  const Texts two = {"Hi", "Ho"};
  for (const char* name : {"a.jsonl", "a.ndjson", "A.JSONL", "plain", "a.txt"}) {
    EXPECT_EQ(rows("{\"text\": \"Hi\"}\n\n{\"text\": \"Ho\"}\n", name).texts, two) << name;
    EXPECT_EQ(rows("[{\"text\": \"Hi\"},\n {\"text\": \"Ho\"}]\n", name).texts, two) << name;
    EXPECT_EQ(rows("[\n \"Hi\", \"Ho\"\n]", name).texts, two) << name;
  }
  EXPECT_EQ(rows("{\n  \"text\": \"Hi\"\n}\n").texts, Texts{"Hi"});
  EXPECT_EQ(rows("id,text\n1,\"Hi\"\n2,Ho\n").texts, two);
  EXPECT_EQ(rows("id\ttext\r\n1\tHi\r\n2\tHo\r\n").texts, two);
  EXPECT_EQ(rows("id,text\n1,\"He said \"\"no\"\",\nand left\"\n").texts, Texts{"He said \"no\",\nand left"});
  for (const char* plain : {"Dear text,\nhow are you, today?\n", "[Illustration: a cat]\n", "[1] A. Author, Title.",
                            "{ curly, braces }", "\"Hello,\" she said.", "text\nand more"}) {
    EXPECT_EQ(rows(plain).texts, Texts{plain});
  }
  EXPECT_TRUE(rows(" \n").texts.empty());
}

TEST(CorpusRows, RowsThatPeopleHave) {
  EXPECT_EQ(rows("{\"prompt\": \"a\", \"completion\": \"b\"}").texts, Texts{"ab"});
  EXPECT_EQ(rows("{\"prompt\": \"a\", \"response\": \"b\"}").texts, Texts{"ab"});
  EXPECT_EQ(rows("{\"content\": \"a\"}").texts, Texts{"a"});
  EXPECT_EQ(rows("{\"input_ids\": [1, 2], \"attention_mask\": [1, 1]}").texts, Texts{"[1,2]"});
  const std::string both = "[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":\"b\"}]";
  EXPECT_EQ(rows("{\"messages\": " + both + "}").texts, Texts{both});
  EXPECT_EQ(rows("{\"instruction\": \"a\", \"input\": \"\", \"output\": \"b\"}").texts, Texts{both});
  EXPECT_EQ(rows("{\"conversations\": [{\"from\": \"human\", \"value\": \"a\"}, {\"from\": \"gpt\", \"value\": "
                 "\"b\"}]}")
                .texts,
            Texts{both});
  EXPECT_EQ(rows("{\"prompt\": [{\"role\": \"user\", \"content\": \"a\"}], \"completion\": [{\"role\": \"assistant\", "
                 "\"content\": \"b\"}]}")
                .texts,
            Texts{both});
}

TEST(CorpusRows, NullAndEmptyRowsAreCounted) {
  const Reading reading = rows(
      "{\"text\": null}\n{\"text\": \"\"}\nnull\n{\"messages\": []}\n{\"prompt\": null, \"completion\": \"b\"}\n"
      "{\"text\": null, \"content\": \"Hi\"}\n",
      "a.jsonl");
  EXPECT_EQ(reading.texts, Texts{"Hi"});
  EXPECT_EQ(reading.skipped, 5u);
}

TEST(CorpusRows, JsonAsPythonWritesIt) {
  EXPECT_EQ(rows("{\"score\": NaN, \"low\": -Infinity, \"text\": \"NaN \\ud83d\\ude00 \\ud83d. \\\\ud83d\"}").texts,
            Texts{"NaN \xF0\x9F\x98\x80 \xEF\xBF\xBD. \\ud83d"});
}

TEST(CorpusRows, ErrorsNameTheLineAndTheKeys) {
  const auto refused = [](const std::string& text, const std::string& name = "c.jsonl") {
    return failure([&] { rows(text, name); });
  };
  const std::string good = "{\"text\": \"fine\"}\n";
  expect_in(refused(good + "\n{\"question\": \"a\", \"score\": 1}\n"), {"c.jsonl line 3", "\"question\", \"score\""});
  expect_in(refused(good + "{\"text\": \"" + std::string(5000, 'x')), {"c.jsonl line 2", "cut short"});
  expect_in(refused(good + "{\"text\": \"" + std::string(5000, 'x'), "noname"), {"noname line 2"});
  expect_in(refused("{\"text\": 5}"), {"line 1", "\"text\" is number, expected a string"});
  expect_in(refused("[{\"text\": \"a\"},\n{\"x\": 1}]", "c.json"), {"c.json line 2 (item 2)", "\"x\""});
  expect_in(refused("[{\"text\": \"a\"},\n{\"text\": ", "c.json"), {"c.json line 2", "cut short"});
  expect_in(refused("[\"a\"] more", "c.json"), {"after the JSON array"});
  expect_in(refused("Hello", "c.json"), {"c.json line 1", "not a JSON value"});
  expect_in(refused("a,b\n1,2\n", "c.csv"), {"c.csv line 2", "\"a\", \"b\""});
  expect_in(refused("id,text\n1\n", "c.csv"), {"c.csv line 2", "1 fields, the header has 2"});
  expect_in(refused("id,text\n1,\"a\n", "c.csv"), {"c.csv line 2", "no end"});
  expect_in(refused("{\"conversations\": [{\"from\": \"bing\", \"value\": \"a\"}]}"), {"line 1", "from"});
  expect_in(refused("{\"input_ids\": [1, 1.5]}"), {"line 1", "1.5"});
  expect_in(refused("{\"messages\": 3}"), {"line 1", "expected a list"});
}

class CorpusTest : public ::testing::Test {
 protected:
  Corpus parse(const std::string& text, const std::string& model = kDemoFolder) {
    return parse_corpus(text, "c.jsonl", model, tokenizer_);
  }
  Tokenizer tokenizer_ = Tokenizer::open(kDemoFolder);
};

TEST_F(CorpusTest, SystemTextGoesIntoTheFirstQuestionWhereTheTemplateHasNoSystemRole) {
  const Corpus corpus = parse(
      "{\"messages\": [{\"role\": \"system\", \"content\": \"Be brief.\"}, {\"role\": \"user\", \"content\": \"Hi\"}, "
      "{\"role\": \"assistant\", \"content\": \"Yes.\"}]}");
  EXPECT_EQ(corpus.tokens, tokenizer_.encode("<s>[INST] Be brief.\n\nHi[/INST] Yes.</s>", false));
  ASSERT_EQ(corpus.notes.size(), 1u);
  expect_in(corpus.notes[0], {"no system role", "1 row"});
}

TEST_F(CorpusTest, ToolsAreRendered) {
  const testing::TempFolder folder;
  for (const char* name : {"tokenizer.json", "config.json"}) fs::copy_file(kDemoFolder + "/" + name, folder / name);
  folder.write("chat_template.jinja", "{% for t in tools or [] %}{{ t.name }}{% endfor %}{{ messages[0].content }}");
  const std::string messages = "\"messages\": [{\"role\": \"user\", \"content\": \"Hi\"}]";
  for (const char* tools : {"[{\"name\": \"weather\"}]", "\"[{\\\"name\\\": \\\"weather\\\"}]\""}) {
    EXPECT_EQ(parse("{" + messages + ", \"tools\": " + tools + "}", folder.path()).tokens,
              tokenizer_.encode("weatherHi", false));
  }
  EXPECT_EQ(parse("{" + messages + ", \"tools\": null}", folder.path()).tokens, tokenizer_.encode("Hi", false));
  EXPECT_EQ(parse("{" + messages + ", \"tools\": [{\"name\": \"x\"}]}").notes.size(), 1u);  // the demo prints none
}

TEST_F(CorpusTest, ARefusedConversationNamesItsLine) {
  const std::string twice = "{\"role\": \"user\", \"content\": \"Hi\"}";
  expect_in(failure([&] { parse("{\"text\": \"a\"}\n{\"messages\": [" + twice + ", " + twice + "]}"); }),
            {"c.jsonl line 2"});
}

TEST_F(CorpusTest, TokenIdsAreTakenAsTheyAre) {
  EXPECT_EQ(parse("{\"input_ids\": [5, 6]}\n{\"input_ids\": [7]}").tokens, (std::vector<TokenId>{5, 6, 7}));
  expect_in(failure([&] { parse("{\"input_ids\": [5, 4294967297]}"); }), {"line 1", "4294967297", "another model"});
}

TEST_F(CorpusTest, InstructionsNeedNoChatTemplate) {
  const testing::TempFolder folder;
  fs::copy_file(kDemoFolder + "/tokenizer.json", folder / "tokenizer.json");
  EXPECT_EQ(parse("{\"instruction\": \"a\", \"input\": \"b\", \"output\": \"c\"}", folder.path()).tokens,
            tokenizer_.encode("a\n\nb\n\nc"));
}

TEST_F(CorpusTest, FoldersAreReadFileByFile) {
  const testing::TempFolder folder;
  folder.write("b.jsonl", "{\"text\": \"two\"}\n");
  folder.write("a.txt", "one");
  folder.write("c.parquet", "PAR1 PAR1");
  folder.write(".hidden", "three");
  const Corpus corpus = read_corpus({folder.path()}, kDemoFolder, tokenizer_);
  std::vector<TokenId> all = tokenizer_.encode("one");
  for (const TokenId id : tokenizer_.encode("two")) all.push_back(id);
  EXPECT_EQ(corpus.tokens, all);
  ASSERT_EQ(corpus.notes.size(), 1u);
  expect_in(corpus.notes[0], {"c.parquet", "left out"});
  const testing::TempFolder empty;
  failure([&] { read_corpus({empty.path()}, kDemoFolder, tokenizer_); }, ErrorKind::kNotFound);
}

TEST_F(CorpusTest, PathsThatAreNoFiles) {
  const auto refused = [&](const std::string& path, ErrorKind kind) {
    return failure([&] { read_corpus({path}, kDemoFolder, tokenizer_); }, kind);
  };
  expect_in(refused("allenai/c4", ErrorKind::kNotFound), {"allenai/c4", "data sets on the Hub are not downloaded"});
  expect_in(refused("/nowhere/c.txt", ErrorKind::kNotFound), {"/nowhere/c.txt", "check the path"});
  expect_in(refused("/dev/zero", ErrorKind::kVerification), {"/dev/zero", "a device"});
}

}  // namespace
}  // namespace gptq::corpus
