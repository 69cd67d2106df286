// What templates can do, as found out by probing, how messages are fitted to them, and which template is chosen.
#include <gtest/gtest.h>

#include <gptq/chat.h>
#include <gptq/error.h>

#include "core/file.h"
#include "tests/tokenizer/make_tokenizer.h"

namespace gptq::chat {
namespace {

ChatAbilities abilities(const std::string& source) {
  return ChatTemplate::parse(source, {{"bos_token", "<s>"}}).abilities();
}

// One conversation with a call whose arguments are `arguments`, a piece of JSON.
std::string with_call(const std::string& source, const std::string& arguments, bool adapt = true) {
  RenderOptions options;
  options.adapt = adapt;
  const std::string messages = R"([{"role":"user","content":"q"},{"role":"assistant","content":"","tool_calls":[)"
                               R"({"id":"call00001","type":"function","function":{"name":"f","arguments":)" +
                               arguments + "}}]}]";
  return ChatTemplate::parse(source, {}).render_json(messages, options).text;
}

const std::string kCalls = "{% for m in messages %}{{ m.content }}{% for c in m.tool_calls %}";
const std::string kEnd = "{% endfor %}{% endfor %}";
const std::string kObjects = kCalls + "{{ c.function.name }}{{ c.function.arguments|tojson }}" + kEnd;
const std::string kTexts = kCalls + "{{ c.function.name + c.function.arguments }}" + kEnd;
const std::string kEither = kCalls +
                            "{{ c.function.name }}{{ c.function.arguments if c.function.arguments is string else "
                            "c.function.arguments|tojson }}" +
                            kEnd;

TEST(ChatAbilities, RolesContentAndBos) {
  const ChatAbilities plain = abilities("{{ bos_token }}{% for m in messages %}{{ m.role ~ m.content }}{% endfor %}");
  EXPECT_TRUE(plain.system_role);
  EXPECT_TRUE(plain.text_content);
  EXPECT_FALSE(plain.content_parts);  // Python's repr of a list
  EXPECT_TRUE(plain.writes_bos);
  EXPECT_FALSE(plain.tools || plain.tool_calls || plain.enable_thinking);
  EXPECT_EQ(plain.reasoning_field, "");
  const ChatAbilities parts =
      abilities("{% for m in messages %}{% for p in m.content %}{{ p.text }}{% endfor %}{% endfor %}");
  EXPECT_FALSE(parts.text_content);
  EXPECT_TRUE(parts.content_parts && parts.system_role);
  EXPECT_FALSE(parts.writes_bos);
}

TEST(ChatAbilities, SystemRoleRefusedOrPassedOver) {
  EXPECT_FALSE(abilities("{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no') }}{% endif %}"
                         "{{ m.content }}{% endfor %}")
                   .system_role);
  EXPECT_FALSE(abilities("{% for m in messages if m.role == 'user' %}{{ m.content }}{% endfor %}").system_role);
}

TEST(ChatAbilities, Tools) {
  const ChatAbilities objects = abilities("{{ tools|tojson if tools }}" + kObjects);
  EXPECT_TRUE(objects.tools && objects.tool_calls && objects.parallel_tool_calls);
  EXPECT_TRUE(objects.object_arguments);
  EXPECT_FALSE(objects.string_arguments);  // quoted once more
  const ChatAbilities texts = abilities(kTexts);
  EXPECT_FALSE(texts.tools || texts.object_arguments);
  EXPECT_TRUE(texts.string_arguments && texts.tool_calls);
  const ChatAbilities either = abilities(kEither);
  EXPECT_TRUE(either.object_arguments && either.string_arguments);
  const ChatAbilities single = abilities(
      "{% for m in messages %}{% if m.tool_calls|length > 1 %}{{ raise_exception('one') }}{% endif %}"
      "{{ m.tool_calls[0].function.name if m.tool_calls else m.content if m.role == 'tool' }}{% endfor %}");
  EXPECT_TRUE(single.tool_calls && single.tool_results);
  EXPECT_FALSE(single.parallel_tool_calls);
}

TEST(ChatAbilities, Thinking) {
  const ChatAbilities thinking = abilities(
      "{% for m in messages %}{{ m.content }}{{ m.reasoning_content }}{% endfor %}"
      "{% if add_generation_prompt %}{{ '<think></think>' if enable_thinking is false }}{% endif %}");
  EXPECT_TRUE(thinking.enable_thinking);
  EXPECT_EQ(thinking.reasoning_field, "reasoning_content");
  EXPECT_EQ(abilities("{{ messages[1].thinking }}").reasoning_field, "thinking");
}

TEST(ChatAbilities, ArgumentsBecomeWhatTheTemplateReads) {
  const std::string object = R"({"a": [1, "é"]})", text = R"("{\"a\": [1, \"é\"]}")";
  for (const std::string& source : {kObjects, kTexts, kEither}) {
    EXPECT_EQ(with_call(source, object), "qf" + object) << source;
    EXPECT_EQ(with_call(source, text), "qf" + object) << source;
  }
  EXPECT_EQ(with_call(kObjects, text, false), "qf\"{\\\"a\\\": [1, \\\"é\\\"]}\"");
  EXPECT_EQ(with_call(kObjects, R"("{broken")"), "qf\"{broken\"");
  EXPECT_EQ(with_call(kEither, R"("{\"a\":1}")"), "qf{\"a\":1}");  // read as it is, so it stays
}

TEST(ChatAbilities, ContentBecomesPartsWhereNothingElseIsRead) {
  const ChatTemplate chat =
      ChatTemplate::parse("{% for m in messages %}{% for p in m.content %}[{{ p.text }}]{% endfor %}{% endfor %}", {});
  const Prompt prompt = chat.render({{"user", "hi"}});
  EXPECT_EQ(prompt.text, "[hi]");
  EXPECT_EQ(prompt.input_ranges, (std::vector<std::pair<size_t, size_t>>{{1, 3}}));
}

TEST(ChatAbilities, FieldsOfMessages) {
  const ChatTemplate chat = ChatTemplate::parse("{{ messages|tojson }}", {});
  RenderOptions options;
  options.adapt = false;
  EXPECT_EQ(chat.render({{"assistant", "x", R"({"content":null,"tool_calls":[{"id":"1"}],"name":"n"})"}}, options).text,
            R"([{"role": "assistant", "content": null, "tool_calls": [{"id": "1"}], "name": "n"}])");
  EXPECT_THROW(chat.render({{"user", "x", "[1]"}}), Error);
  EXPECT_THROW(chat.render({{"user", "x", "{"}}), Error);
}

TEST(ChatAbilities, IntegersBeyond64BitsAreRefused) {
  const ChatTemplate chat = ChatTemplate::parse("{{ messages|tojson }}", {});
  for (const std::string number : {"9223372036854775808", "18446744073709551616", "-100000000000000000000"}) {
    EXPECT_THROW(chat.render_json("[{\"a\": " + number + "}]"), Error) << number;
  }
  for (const std::string number : {"9223372036854775807", "-9223372036854775808", "1e+30", "1.25"}) {
    EXPECT_EQ(chat.render_json("[{\"a\": " + number + "}]").text, "[{\"a\": " + number + "}]");
  }
  EXPECT_EQ(chat.render_json(R"([{"a": "\"99999999999999999999999"}])").text,
            R"([{"a": "\"99999999999999999999999"}])");
}

TEST(ChatAbilities, ATemplateThatRunsWithoutEndIsProbedInAShortTime) {
  const ChatTemplate chat = ChatTemplate::parse(
      "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}{{ messages }}", {});
  EXPECT_FALSE(chat.abilities().text_content);
}

TEST(ChatTemplateChoice, NamesAndTools) {
  const testing::TempFolder folder;
  folder.write("tokenizer_config.json", R"({"chat_template":[{"name":"default","template":"D"},)"
                                        R"({"name":"tool_use","template":"T"},{"name":"rag","template":"R"}]})");
  RenderOptions tools;
  tools.tools = "[]";
  const ChatTemplate chat = ChatTemplate::open(folder.path());
  EXPECT_EQ(chat.render({}).text, "D");
  EXPECT_EQ(chat.render({}, tools).text, "T");
  EXPECT_EQ(chat.source(true), "T");
  EXPECT_EQ(chat.names(), (std::vector<std::string>{"default", "rag", "tool_use"}));
  EXPECT_EQ(ChatTemplate::open(folder.path(), "rag").render({}, tools).text, "R");
  try {
    ChatTemplate::open(folder.path(), "nope");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kNotFound);
    EXPECT_NE(std::string(error.what()).find("\"default\", \"rag\", \"tool_use\""), std::string::npos) << error.what();
  }
  folder.write("additional_chat_templates/tool_use.jinja", "F");
  folder.write("chat_template.json", R"({"chat_template":"P"})");
  EXPECT_EQ(ChatTemplate::open(folder.path()).render({}, tools).text, "F");
  folder.write("chat_template.jinja", "J");
  EXPECT_EQ(ChatTemplate::open(folder.path()).render({}).text, "J");
}

TEST(ChatTemplateChoice, ErrorsNameTheFile) {
  const testing::TempFolder folder;
  folder.write("chat_template.jinja", "a\n  {{ x. }}");
  try {
    ChatTemplate::open(folder.path());
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("chat_template.jinja, line 2, column 9: found '}}', expected a name"),
              std::string::npos)
        << error.what();
  }
  folder.write("chat_template.jinja", "{{ messages[0].x.y }}");
  try {
    ChatTemplate::open(folder.path()).render({{"user", "x"}});
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("chat_template.jinja, line 1, column"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace gptq::chat
