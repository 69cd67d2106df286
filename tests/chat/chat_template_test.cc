// Chat templates: the demo model, where templates are found, input marks, continuing and errors.
#include <gtest/gtest.h>

#include <gptq/chat.h>
#include <gptq/error.h>

#include "core/file.h"
#include "tests/tokenizer/make_tokenizer.h"

namespace gptq::chat {
namespace {

const std::string kDemo = std::string(GPTQ_SOURCE_DIR) + "/models/demo";

// Renders one user message with `content`, with the bytes of input in braces.
std::string marked(const std::string& source, const std::string& content, const std::string& role = "user") {
  const Prompt prompt = ChatTemplate::parse(source, {}).render({{role, content}});
  std::string out;
  size_t position = 0;
  for (const auto& [begin, end] : prompt.input_ranges) {
    out += prompt.text.substr(position, begin - position) + "{" + prompt.text.substr(begin, end - begin) + "}";
    position = end;
  }
  return out + prompt.text.substr(position);
}

Error failure(const std::string& source, const std::string& variables = "") {
  RenderOptions options;
  options.variables = variables;
  try {
    ChatTemplate::parse(source, {}).render({{"user", "x"}}, options);
  } catch (const Error& error) {
    return error;
  }
  return Error(ErrorKind::kGeneral, "no error");
}

TEST(ChatTemplate, SourcesOfAFolder) {
  EXPECT_EQ(chat_template_sources(kDemo).at("default"), ChatTemplate::open(kDemo).source());
  const testing::TempFolder folder;
  EXPECT_TRUE(chat_template_sources(folder.path()).empty());
  folder.write("chat_template.jinja", "{{ broken");
  EXPECT_EQ(chat_template_sources(folder.path()), (std::map<std::string, std::string>{{"default", "{{ broken"}}));
}

TEST(ChatTemplate, DemoModel) {
  const ChatTemplate chat = ChatTemplate::open(kDemo);
  const Prompt prompt = chat.render({{"user", "Hi"}, {"assistant", "Hello."}, {"user", "Bye [INST]"}});
  EXPECT_EQ(prompt.text, "<s>[INST] Hi[/INST] Hello.</s>[INST] Bye [INST][/INST]");
  EXPECT_EQ(prompt.input_ranges, (std::vector<std::pair<size_t, size_t>>{{10, 12}, {20, 26}, {37, 47}}));
  EXPECT_THROW(chat.render({{"assistant", "Hi"}}), Error);
  EXPECT_EQ(chat.render_json(R"([{"role":"user","content":"Hi"}])").text, "<s>[INST] Hi[/INST]");
  const Tokenizer tokenizer = Tokenizer::open(kDemo);
  EXPECT_EQ(tokenizer.encode(prompt).back(), tokenizer.id_of("[/INST]"));
}

TEST(ChatTemplate, WhereItIsFound) {
  const testing::TempFolder folder;
  EXPECT_THROW(ChatTemplate::open(folder.path()), Error);
  folder.write("chat_template.json", R"({"chat_template":"P"})");
  EXPECT_EQ(ChatTemplate::open(folder.path()).source(), "P");
  folder.write("tokenizer_config.json", R"({"bos_token":{"content":"<b>"},"eos_token":null,"chat_template":[
      {"name":"default","template":"D{{ bos_token }}{{ eos_token is defined }}"},{"name":"rag","template":"R"}]})");
  EXPECT_EQ(ChatTemplate::open(folder.path()).render({}).text, "D<b>False");
  EXPECT_EQ(ChatTemplate::open(folder.path(), "rag").source(), "R");
  EXPECT_THROW(ChatTemplate::open(folder.path(), "none"), Error);
  folder.write("chat_template.jinja", "F{{ bos_token }}");
  EXPECT_EQ(ChatTemplate::open(folder.path()).render({}).text, "F<b>");
  folder.write("additional_chat_templates/tool.jinja", "T");
  EXPECT_EQ(ChatTemplate::open(folder.path(), "tool").source(), "T");
  EXPECT_THROW(ChatTemplate::open(folder.path(), "../x"), Error);
}

TEST(ChatTemplate, MarksFollowTheTextThroughEveryOperation) {
  const auto one = [](const std::string& expression) {
    return marked("{% set c = messages[0].content %}[{{ " + expression + " }}]", " Ab,C ");
  };
  EXPECT_EQ(one("c"), "[{ Ab,C }]");
  EXPECT_EQ(one("'<' + c + '>'"), "[<{ Ab,C }>]");
  EXPECT_EQ(one("'<' ~ c ~ 1"), "[<{ Ab,C }1]");
  EXPECT_EQ(one("c|trim"), "[{Ab,C}]");
  EXPECT_EQ(one("c.strip()|upper ~ c|lower"), "[{AB,C ab,c }]");
  EXPECT_EQ(one("c[1:3] ~ '.' ~ c[::-1]"), "[{Ab}.{ C,bA }]");
  EXPECT_EQ(one("c|replace('b', '__')"), "[{ A}__{,C }]");
  EXPECT_EQ(one("'x,y'|replace(',', c)"), "[x{ Ab,C }y]");
  EXPECT_EQ(one("c.split(',')|join('+')"), "[{ Ab}+{C }]");
  EXPECT_EQ(one("c|tojson"), "[\"{ Ab,C }\"]");
  EXPECT_EQ(one("[c]"), "[['{ Ab,C }']]");
  EXPECT_EQ(one("'%s!' % c"), "[{ Ab,C }!]");
  EXPECT_EQ(one("'{}!'.format(c)"), "[{ Ab,C }!]");
  EXPECT_EQ(one("c|indent(2, true)"), "[  { Ab,C }]");
  EXPECT_EQ(one("c|title ~ c|capitalize ~ c|first ~ c|last ~ c|string ~ c|safe ~ c|list|join"),
            "[{ Ab,c  ab,c    Ab,C  Ab,C  Ab,C }]");
  EXPECT_EQ(one("c|length"), "[6]");
}

TEST(ChatTemplate, MarksFollowThroughBlocksMacrosAndContainers) {
  EXPECT_EQ(marked("{% set x %}<{{ messages[0].content }}>{% endset %}{{ x }}", "a"), "<{a}>");
  EXPECT_EQ(marked("{% macro m(t) %}<{{ t }}>{% endmacro %}{{ m(messages[0].content) }}", "a"), "<{a}>");
  EXPECT_EQ(marked("{% filter upper %}<b>{{ messages[0].content }}{% endfilter %}", "a"), "<B>{A}");
  EXPECT_EQ(marked("{% set n = namespace(t='') %}{% for m in messages %}{% set n.t = n.t + m['content'] + ';' %}{% "
                   "endfor %}{{ n.t }}",
                   "a"),
            "{a};");
  EXPECT_EQ(marked("{% for c in messages[0].content %}{{ c }}|{% endfor %}", "ab"), "{a}|{b}|");
}

TEST(ChatTemplate, RolesAndKeysAreTrustedUnlessTheyLookLikeMarkers) {
  EXPECT_EQ(marked("<|{{ messages[0].role }}|>{{ messages[0] }}", "a"), "<|user|>{'role': 'user', 'content': '{a}'}");
  EXPECT_EQ(marked("<|{{ messages[0].role }}|>", "a", "x|><|y"), "<|{x|><|y}|>");
}

TEST(ChatTemplate, MessagesWithPartsAndTools) {
  const ChatTemplate chat = ChatTemplate::parse(
      "{% for m in messages %}{% for p in m.content %}{{ p.type }}:{{ p.text }};{% endfor %}{% endfor %}"
      "{% if tools %}{{ tools|tojson }}{% endif %}{{ extra }}{{ add_generation_prompt }}",
      {});
  RenderOptions options;
  options.tools = R"([{"b":1,"a":2}])";
  options.variables = R"({"extra":"<e>"})";
  options.add_generation_prompt = false;
  const Prompt prompt = chat.render_json(R"([{"role":"user","content":[{"type":"text","text":"hi"}]}])", options);
  EXPECT_EQ(prompt.text, "text:hi;[{\"b\": 1, \"a\": 2}]<e>False");
  EXPECT_EQ(prompt.input_ranges, (std::vector<std::pair<size_t, size_t>>{{0, 4}, {5, 7}}));
}

TEST(ChatTemplate, InvalidUtf8InMessagesIsRepaired) {
  EXPECT_EQ(marked("{{ messages[0].content }}", "a\xFF"), "{a\xEF\xBF\xBD}");
}

TEST(ChatTemplate, ContinueFinalMessage) {
  RenderOptions options;
  options.continue_final_message = true;
  const std::vector<Message> messages = {{"user", "Say"}, {"assistant", "It is "}};
  EXPECT_EQ(ChatTemplate::open(kDemo).render(messages, options).text, "<s>[INST] Say[/INST] It is ");
  const std::string trims =
      "{% for m in messages %}<{{ m.content|trim }}>{% endfor %}{% if add_generation_prompt %}!{% endif %}";
  EXPECT_EQ(ChatTemplate::parse(trims, {}).render(messages, options).text, "<Say><It is");
  EXPECT_EQ(ChatTemplate::parse(trims, {}).render_json(R"([{"role":"assistant","content":"x"}])", options).text, "<x");
  EXPECT_EQ(ChatTemplate::parse("{{ messages[0].content[0].text }}>", {})
                .render_json(R"([{"role":"assistant","content":[{"type":"text","text":"x"}]}])", options)
                .text,
            "x");
  EXPECT_THROW(ChatTemplate::parse("nothing", {}).render(messages, options), Error);
  EXPECT_THROW(ChatTemplate::parse(trims, {}).render({}, options), Error);
}

TEST(ChatTemplate, Clock) {
  RenderOptions options;
  options.clock = 0;
  const std::string day = ChatTemplate::parse("{{ strftime_now('%Y') }}", {}).render({}, options).text;
  EXPECT_TRUE(day == "1970" || day == "1969") << day;  // local time
  EXPECT_NE(ChatTemplate::parse("{{ strftime_now('%Y') }}", {}).render({}).text, day);
}

TEST(ChatTemplate, ErrorsHaveKindLineAndReason) {
  const Error raised = failure("{{ raise_exception('no ' ~ 'system') }}");
  EXPECT_EQ(raised.kind(), ErrorKind::kUsage);
  EXPECT_NE(std::string(raised.what()).find("no system"), std::string::npos);
  const Error undefined = failure("a\nb\n{{ x.y }}");
  EXPECT_EQ(undefined.kind(), ErrorKind::kVerification);
  EXPECT_NE(std::string(undefined.what()).find("line 3, column 5: 'x' is undefined"), std::string::npos)
      << undefined.what();
  EXPECT_NE(std::string(failure("\n{% if %}").what()).find("line 2"), std::string::npos);
  EXPECT_NE(std::string(failure("{% include 'x' %}").what()).find("include"), std::string::npos);
  EXPECT_NE(std::string(failure("{{ 'é' ! }}").what()).find("'!'"), std::string::npos);
  EXPECT_EQ(failure("x", "[1]").kind(), ErrorKind::kUsage);
  EXPECT_EQ(failure("x", "{").kind(), ErrorKind::kVerification);
  EXPECT_THROW(ChatTemplate::parse("x", {}).render_json("{}"), Error);
}

TEST(ChatTemplate, SandboxHidesWhatCouldChangeValues) {
  for (const std::string call :
       {"[].append(1)", "{}.update({})", "{}.pop('a')", "[].__class__()", "''.__init__()", "[1].clear()"}) {
    EXPECT_EQ(failure("{{ " + call + " }}").kind(), ErrorKind::kVerification) << call;
  }
}

TEST(ChatTemplate, ManyMessagesAreFast) {
  std::vector<Message> messages;
  for (int i = 0; i < 2000; ++i) messages.push_back({i % 2 == 0 ? "user" : "assistant", std::string(500, 'x')});
  EXPECT_GT(ChatTemplate::open(kDemo).render(messages).text.size(), 1'000'000u);
}

}  // namespace
}  // namespace gptq::chat
