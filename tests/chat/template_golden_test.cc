// The template engine against what Jinja2 renders in the environment of transformers (tests/golden/jinja).
#include <gtest/gtest.h>

#include <ctime>
#include <filesystem>
#include <string>

#include <gptq/error.h>

#include "chat/jinja/from_json.h"
#include "chat/jinja/template.h"
#include "core/file.h"
#include "core/json.h"

namespace gptq::chat {
namespace {

const fs::path kFolder = fs::path(GPTQ_SOURCE_DIR) / "tests/golden/jinja";

int64_t golden_clock() {
  std::tm time{};  // 2024-07-06 09:05:03, local time
  time.tm_year = 124;
  time.tm_mon = 6;
  time.tm_mday = 6;
  time.tm_hour = 9;
  time.tm_min = 5;
  time.tm_sec = 3;
  time.tm_isdst = -1;
  return std::mktime(&time);
}

std::string render_vector(const OrderedJson& vector) {
  const chat::Template compiled(vector.at("template").get<std::string>());
  const auto define = [&](chat::Runtime& runtime, chat::Scope& variables) {
    for (const auto& [name, value] : vector.at("context").items()) {
      variables.set(name, chat::from_json(runtime, value, false));
    }
  };
  return compiled.render(golden_clock(), define).text;
}

TEST(TemplateGolden, EveryVectorRendersLikeJinja) {
  size_t count = 0;
  for (const auto& entry : fs::directory_iterator(kFolder)) {
    if (entry.path().extension() != ".json") continue;
    const OrderedJson vectors = parse_ordered_json(read_file(entry.path()), entry.path().string());
    for (const OrderedJson& vector : vectors) {
      const std::string name = entry.path().stem().string() + "/" + vector.at("name").get<std::string>();
      ++count;
      if (vector.contains("error")) {
        EXPECT_THROW(render_vector(vector), Error) << name << ": " << vector.at("template");
        continue;
      }
      try {
        EXPECT_EQ(render_vector(vector), vector.at("expected").get<std::string>())
            << name << ": " << vector.at("template");
      } catch (const Error& error) {
        ADD_FAILURE() << name << ": " << vector.at("template") << "\n" << error.what();
      }
    }
  }
  EXPECT_GE(count, 300u);
}

}  // namespace
}  // namespace gptq::chat
