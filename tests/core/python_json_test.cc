// NaN and Infinity of Python's json: read as numbers, written as the same words.
#include "core/python_json.h"
#include "core/json.h"

#include <gtest/gtest.h>

#include <cmath>

#include <gptq/error.h>

namespace gptq {
namespace {

TEST(PythonJson, NumbersThatAreNotFinite) {
  const Json json =
      parse_python_json(R"({"a":NaN,"b":[Infinity,-Infinity,-1],"NaN":"Infinity \" NaN","c":{"d":NaN}})", "x");
  EXPECT_TRUE(std::isnan(json["a"].get<double>()));
  EXPECT_EQ(json["b"][0], static_cast<double>(INFINITY));
  EXPECT_EQ(json["b"][1], -static_cast<double>(INFINITY));
  EXPECT_EQ(json["b"][2], -1);
  EXPECT_EQ(json["NaN"], "Infinity \" NaN");
  EXPECT_TRUE(std::isnan(json["c"]["d"].get<double>()));
}

TEST(PythonJson, RoundTrip) {
  const std::string text =
      "{\n  \"z\": NaN,\n  \"a\": [\n    Infinity,\n    -Infinity,\n    \"NaN\"\n  ],\n  \"b\": 1.5\n}";
  EXPECT_EQ(python_json_text(parse_ordered_python_json(text, "x")), text);
}

TEST(PythonJson, EverythingElseIsAsStrict) {
  for (const char* text :
       {"{\"a\":nan}", "{\"a\":Inf}", "{\"a\":-}", "{\"a\":NaN1}", "{\"a\":1,\"a\":2}", "\"NaN", "{\"a\":+Infinity}"}) {
    EXPECT_THROW(parse_python_json(text, "x"), Error) << text;
  }
}

}  // namespace
}  // namespace gptq
