// JSON: strictness of the parser and the errors of typed access.
#include "core/json.h"

#include "tests/checkpoint/model_files.h"

namespace gptq {
namespace {

using testing::expect_error;

TEST(Json, RefusesWhatIsNotStrictJson) {
  const std::vector<std::string> bad = {"",
                                        "{",
                                        "{}x",
                                        "{} {}",
                                        "[1,]",
                                        "{\"a\":1,}",
                                        "{'a':1}",
                                        "// x\n{}",
                                        "{\"a\":NaN}",
                                        "\"\x01\"",
                                        "\"\xff\"",
                                        "\"\xc0\xaf\"",
                                        "\"\xed\xa0\x80\"",
                                        "\"\\ud800\"",
                                        std::string("{}\0", 3),
                                        std::string("{}\0garbage", 10),
                                        std::string("\"\0\"", 3),
                                        "{\"a\":1,\"a\":2}",
                                        "[{\"b\":{\"a\":1,\"c\":2,\"a\":1}}]",
                                        std::string(514, '[') + std::string(514, ']'),
                                        std::string(100'000, '['),
                                        "{\"a\":" + std::string(100'000, '[')};
  for (const std::string& text : bad) {
    expect_error(ErrorKind::kVerification, {"file.json"}, [&] { parse_json(text, "file.json"); });
    expect_error(ErrorKind::kVerification, {"file.json"}, [&] { parse_ordered_json(text, "file.json"); });
  }
}

TEST(Json, AcceptsJson) {
  EXPECT_EQ(parse_json(" [1, -2, 1e3, \"\\u00e9\\ud83d\\ude42\", null, true] ", "x").size(), 6u);
  EXPECT_NO_THROW(parse_json(std::string(500, '[') + std::string(500, ']'), "x"));
  EXPECT_NO_THROW(parse_json(R"({"a":{"k":1},"b":{"k":1},"c":[{"k":1},{"k":2}]})", "x"));  // same key, other objects
  EXPECT_EQ(parse_ordered_json(R"({"z":1,"a":2})", "x").dump(), R"({"z":1,"a":2})");
}

// A value takes many times the memory of its text: a document of empty objects is refused early.
TEST(Json, RefusesTooManyValues) {
  std::string text = "[";
  text.reserve(13'000'000);
  for (int i = 0; i < 4'000'000; ++i) text += "{},";
  text += "{}]";
  expect_error(ErrorKind::kVerification, {"file.json", "more than 4,000,000 values"},
               [&] { parse_json(text, "file.json"); });
  expect_error(ErrorKind::kVerification, {"file.json", "more than 4,000,000 values"},
               [&] { parse_ordered_json(text, "file.json"); });
}

TEST(Json, RefusesTooLargeTables) {
  struct Nothing : JsonTap {
    void key(std::string&) override {}
    void string(std::string&) override {}
    void integer(int64_t) override {}
    void real(const std::string&) override {}
    void other(const char*) override {}
    void open_array() override {}
    void close_array() override {}
  } nothing;
  const std::vector<JsonTapPoint> taps = {{"model", "vocab", true, &nothing}};
  const auto table = [](int count) {
    std::string text = "{\"model\":{\"vocab\":[";
    for (int i = 0; i < count; ++i) text += i > 0 ? ",0" : "0";
    return text + "]}}";
  };
  EXPECT_NO_THROW(parse_json(table(5'000'000), "file.json", taps));
  expect_error(ErrorKind::kVerification, {"file.json", "more than 8,000,000"},
               [&] { parse_json(table(8'000'001), "file.json", taps); });
}

TEST(JsonReader, TypedAccess) {
  const Json json =
      parse_json(R"({"i":-3,"f":2.0,"h":2.5,"big":18446744073709551615,"huge":1e300,"b":true,"s":"x","n":null})", "f");
  const JsonReader reader(json, "f");
  EXPECT_EQ(reader.integer("i"), -3);
  EXPECT_EQ(reader.integer("f"), 2);
  EXPECT_EQ(reader.integer("n", 7), 7);
  EXPECT_EQ(reader.integer("absent", 7), 7);
  EXPECT_EQ(reader.number("i"), -3.0);
  EXPECT_EQ(reader.number("absent", 0.5), 0.5);
  EXPECT_TRUE(reader.boolean("b", false));
  EXPECT_TRUE(reader.boolean("n", true));
  EXPECT_EQ(reader.string("s"), "x");
  EXPECT_EQ(reader.string("absent", "d"), "d");
  EXPECT_FALSE(reader.has("n"));
  EXPECT_EQ(reader.find("n"), nullptr);
  for (const char* key : {"h", "big", "huge", "s", "b"}) {
    expect_error(ErrorKind::kVerification, {"f", key, "integer"}, [&] { reader.integer(key); });
  }
  expect_error(ErrorKind::kVerification, {"f", "\"s\" is \"x\"", "a number"}, [&] { reader.number("s"); });
  expect_error(ErrorKind::kVerification, {"true or false"}, [&] { reader.boolean("i", false); });
  expect_error(ErrorKind::kVerification, {"a string"}, [&] { reader.string("i"); });
  expect_error(ErrorKind::kVerification, {"\"n\" is missing"}, [&] { reader.at("n"); });
  const Json list = Json::array();
  expect_error(ErrorKind::kVerification, {"g", "array", "object"}, [&] { JsonReader(list, "g"); });
}

}  // namespace
}  // namespace gptq
