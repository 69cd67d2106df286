// Malicious templates and conversations: each ends in an error with its position, or in bounded time.
#include <gtest/gtest.h>

#include <gptq/chat.h>
#include <gptq/error.h>

namespace gptq::chat {
namespace {

std::string render(const std::string& source, const std::string& messages = R"([{"role":"user","content":"x"}])") {
  RenderOptions options;
  options.adapt = false;
  return ChatTemplate::parse(source, {}).render_json(messages, options).text;
}

void expect_refused(const std::string& source, const std::string& reason) {
  try {
    render(source);
    ADD_FAILURE() << source.substr(0, 200);
  } catch (const Error& error) {
    const std::string what = error.what();
    EXPECT_NE(what.find(reason), std::string::npos) << source.substr(0, 200) << "\n" << what;
    EXPECT_NE(what.find(", line "), std::string::npos) << what;
    EXPECT_NE(what.find(", column "), std::string::npos) << what;
  }
}

std::string repeated(const std::string& part, int times) {
  std::string text;
  for (int i = 0; i < times; ++i) text += part;
  return text;
}

TEST(TemplateLimits, Steps) {
  expect_refused("{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}", "steps");
  expect_refused("{% for i in range(100000) %}{% for j in range(100000) if false %}{% endfor %}{% endfor %}", "steps");
  expect_refused("{% for i in range(100000) %}{{ range(99999)|sum }}{% endfor %}", "steps");
  expect_refused("{% for i in range(100000) %}{{ i in range(99999)|map('string') }}{% endfor %}", "steps");
}

TEST(TemplateLimits, Recursion) {
  expect_refused("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "1000");
  expect_refused("{% macro m() %}{{ caller }}{% call m() %}{% endcall %}{% endmacro %}{{ m() }}", "1000");
  expect_refused("{% for x in [[1]] recursive %}{{ loop([[1]]) }}{% endfor %}", "1000");
  expect_refused("{% set n = namespace(x=[]) %}{% for i in range(5000) %}{% set n.x = [n.x] %}{% endfor %}{{ n.x }}",
                 "1000");
  expect_refused(
      "{% set n = namespace(x=()) %}{% for i in range(5000) %}{% set n.x = (n.x,) %}{% endfor %}{{ {n.x: 1} }}",
      "1000");
  expect_refused(
      "{% set n = namespace(x=()) %}{% for i in range(60) %}{% set n.x = (n.x, n.x) %}{% endfor %}"
      "{{ {n.x: 1} }}",
      "steps");
  expect_refused(
      "{% set n = namespace(x=[1]) %}{% for i in range(5000) %}{% set n.x = n.x|map('string') %}{% endfor %}"
      "{{ n.x|list }}",
      "1000");
}

TEST(TemplateLimits, ValuesThatContainThemselves) {
  expect_refused("{% set n = namespace() %}{% set n.n = n %}{{ n }}", "1000");
  expect_refused("{% set n = namespace() %}{% set n.l = [n] %}{{ n.l }}", "1000");
  expect_refused("{% set n = namespace() %}{% set n.l = [n] %}{{ n.l|tojson }}", "JSON");
  expect_refused("{% set n = namespace() %}{% set n.l = [n] %}{{ n.l|string|length }}", "1000");
}

TEST(TemplateLimits, Integers) {
  for (const std::string expression :
       {"2 ** 64", "-9223372036854775807 - 2", "(-9223372036854775807 - 1) // -1", "9223372036854775807 * 2",
        "9223372036854775808", "'99999999999999999999'|int", "1e30|int", "-(-9223372036854775807 - 1)"}) {
    expect_refused("{{ " + expression + " }}", "64 bits");
  }
}

TEST(TemplateLimits, Sizes) {
  expect_refused("{{ 'a' * 99999999999 }}", "repetition");
  expect_refused("{{ [0] * 9999999 }}", "values in lists");
  expect_refused("{{ range(100001) }}", "range of more than");
  expect_refused("{{ range(-9223372036854775807, 9223372036854775807) }}", "range of more than");
  expect_refused("{% set n = namespace(x='aaaaaaaa') %}{% for i in range(60) %}{% set n.x = n.x ~ n.x %}{% endfor %}",
                 "bytes");
  expect_refused("{% for i in range(9999) %}{{ 'a' * 60000 }}{% endfor %}", "bytes");
  expect_refused("{% set s = 'a' * 60000000 %}{{ s|replace('a', s) }}", "bytes");
  expect_refused("{{ '%99999d' % 1 }}", "width");
  expect_refused("{{ '{:99999}'.format(1) }}", "width");
  expect_refused("{{ 'a'.center(99999999999) }}", "width");
  expect_refused("{{ strftime_now('%9999999d') }}", "64 KiB");
  expect_refused("{% set n = namespace(x=[1]) %}{% for i in range(60) %}{% set n.x = n.x + n.x %}{% endfor %}",
                 "values in lists");
}

TEST(TemplateLimits, SearchesThatWouldBeQuadratic) {
  expect_refused("{% set s = 'é' * 9999999 %}{% for i in range(99999) %}{{ s[9999998] }}{% endfor %}", "searches");
  expect_refused(
      "{% set s = 'a' * 9999999 %}{% set t = 'a' * 9999999 %}{% for i in range(99999) %}{{ s == t }}{% endfor %}",
      "searches");
  expect_refused("{% set s = 'a' * 9999999 %}{% for i in range(99999) %}{{ 'b' in s }}{% endfor %}", "searches");
  expect_refused("{% set s = 'a' * 9999999 %}{% set d = {s: 1} %}{% for i in range(99999) %}{{ d[s] }}{% endfor %}",
                 "searches");
  const std::string text = "{% set s = 'a' * 3000000 %}{% set t = 'a' * 1000000 ~ 'b' %}";
  EXPECT_EQ(render(text + "{{ t in s }}{{ s.find(t) }}{{ s.rfind('b' ~ t) }}{{ s.count(t) }}{{ s.split(t)|length }}"
                          "{{ s.rsplit(t, 9)|length }}{{ s.partition(t)[1] }}{{ s.replace(t, '')|length }}"),
            "False-1-10113000000");
}

TEST(TemplateLimits, NestingInTheSource) {
  for (const std::string& source :
       {"{{ " + repeated("(", 5000), "{{ " + repeated("[", 5000), "{{ " + repeated("{1: ", 5000),
        "{{ " + repeated("-", 5000), "{{ " + repeated("not ", 5000), "{{ 1" + repeated(" + 1", 5000) + " }}",
        "{{ 1" + repeated("|string", 5000) + " }}", "{{ x" + repeated(".y", 5000) + " }}",
        "{{ x" + repeated("[0]", 5000) + " }}", "{{ x" + repeated("()", 5000) + " }}",
        "{{ 1" + repeated(" if 1 else 1", 5000) + " }}", "{{ 1" + repeated(" ** 1", 5000) + " }}",
        repeated("{% if true %}", 5000), repeated("{% for x in y %}", 5000), repeated("{% set x %}", 5000)}) {
    expect_refused(source, "");
  }
}

TEST(TemplateLimits, LongSources) {
  EXPECT_EQ(render(repeated("{% if true %}a{% endif %}", 20'000)), std::string(20'000, 'a'));
  EXPECT_EQ(render(std::string(4'000'000, 'x')).size(), 4'000'000u);
  EXPECT_THROW(render(std::string(5'000'000, 'x')), Error);
  EXPECT_THROW(render("{{ '" + std::string(4'000'000, '\'')), Error);
}

TEST(TemplateLimits, DeepInput) {
  const std::string deep = repeated("[", 600) + repeated("]", 600), allowed = repeated("[", 400) + repeated("]", 400);
  EXPECT_THROW(render("{{ messages }}", deep), Error);
  EXPECT_EQ(render("{{ messages }}{{ messages|tojson == messages|string }}{{ messages == messages }}", allowed),
            allowed + "TrueTrue");
}

TEST(TemplateLimits, GrowingTextIsNotCopied) {
  // Copied each time, this would be 10 GB of text and above the limit.
  const std::string grow =
      "{% set n = namespace(s='') %}{% for i in range(10000) %}{% set n.s = n.s ~ x %}{% endfor %}";
  EXPECT_EQ(render("{% set x = 'y' * 200 %}" + grow + "{{ n.s|length }}"), "2000000");
  const std::string sum =
      "{% set n = namespace(s='') %}{% for i in range(10000) %}{% set n.s = n.s + 'a' + x %}{% endfor %}";
  EXPECT_EQ(render("{% set x = 'y' * 200 %}" + sum + "{{ n.s|length }}"), "2010000");
}

TEST(TemplateLimits, GrowingTextLeavesOtherHoldersAlone) {
  EXPECT_EQ(render("{% set a = 'x' ~ 1 %}{% set b = a %}{% set a = a ~ 'y' %}{{ a }} {{ b }}"), "x1y x1");
  EXPECT_EQ(render("{% set a = 'x' ~ 1 %}{% set a = a ~ a ~ (a|length) %}{{ a }}"), "x1x12");
  EXPECT_EQ(render("{% set a = 'x' %}{% for i in range(2) %}{% set a = a ~ 'y' %}{{ a }}{% endfor %}{{ a }}"), "xyxyx");
  EXPECT_EQ(render("{% set n = namespace(s='a') %}{% macro m() %}{% set n.s = 'b' %}c{% endmacro %}"
                   "{% set n.s = n.s ~ m() %}{{ n.s }}"),
            "ac");
  EXPECT_EQ(render("{% set a = 1 %}{% set a = a + 2 + 3 %}{{ a }}{% set a = a ~ 4 %}{{ a }}"), "664");
}

}  // namespace
}  // namespace gptq::chat
