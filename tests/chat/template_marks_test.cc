// Whatever a template does to text that came from people, it stays marked; what the template writes never is.
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include <gptq/chat.h>
#include <gptq/error.h>

namespace gptq::chat {
namespace {

// People write Cyrillic letters and spaces, the template writes < > and what else is ASCII.
const std::string kInput = "Привет мир как дела";

class RandomTemplate {
 public:
  explicit RandomTemplate(unsigned seed) : random_(seed) {}

  std::string run() {
    std::string source =
        "{% set c = messages[0].content %}{% macro m(x) %}<{{ x }}>{{ caller(x) if caller }}{% endmacro %}";
    for (int i = 0; i < 3; ++i) source += statement();
    return source;
  }

 private:
  std::string pick(const std::vector<std::string>& items) { return items[random_() % items.size()]; }

  std::string text(int depth) {
    if (depth == 0) return pick({"c", "messages[0]['content']", "'<'", "'>'", "messages[0].role"});
    const std::string inner = "(" + text(depth - 1) + ")", other = "(" + text(depth - 1) + ")";
    static const std::vector<std::string> kTails = {"|upper",
                                                    "|lower",
                                                    "|title",
                                                    "|capitalize",
                                                    "|trim",
                                                    "|string",
                                                    "|safe",
                                                    "|reverse",
                                                    "|indent(2, true)",
                                                    "|center(30)",
                                                    "|truncate(7)",
                                                    "|truncate(5, true, '')",
                                                    "|tojson",
                                                    "|e",
                                                    "|list|join('<')",
                                                    "|sort|join",
                                                    "|unique|join",
                                                    "|batch(2)|map('join')|join('>')",
                                                    "|replace('и', '<')",
                                                    "|list|string",
                                                    "|list|tojson",
                                                    "[1:]",
                                                    "[:-2]",
                                                    "[::-1]",
                                                    "[::2]",
                                                    ".split()|join('<>')",
                                                    ".split('р')|join",
                                                    ".strip('П')",
                                                    ".title()",
                                                    ".swapcase()",
                                                    ".casefold()",
                                                    ".replace(' ', '<')",
                                                    ".replace('', '>')",
                                                    ".partition(' ')|join('|')",
                                                    ".rsplit(' ', 1)|last",
                                                    ".splitlines()|first",
                                                    ".ljust(20, '<')",
                                                    ".zfill(25)",
                                                    ".expandtabs()",
                                                    ".format(1)",
                                                    ".removeprefix('П')",
                                                    "|map('upper')|join",
                                                    "|select|join",
                                                    "|first",
                                                    "|last",
                                                    "|default('<')",
                                                    "|groupby(0)|map('last')|map('join')|join",
                                                    "|wordcount|string"};
    switch (random_() % 8) {
      case 0: return inner + " ~ " + other;
      case 1: return inner + " + " + other;
      case 2: return "'<%s>%r%10s' % (" + inner + ", " + other + ", " + inner + ")";
      case 3: return "'<{}{!r}{:>30}{:.3}'.format(" + inner + ", " + other + ", " + inner + ", " + other + ")";
      case 4: return inner + ".join([" + other + ", '<', " + other + "])";
      case 5: return inner + " if " + other + " else '<'";
      default: return inner + pick(kTails);
    }
  }

  std::string statement() {
    const std::string value = text(1 + static_cast<int>(random_() % 3));
    switch (random_() % 8) {
      case 0: return "{% for x in " + value + " %}{{ x }}<{{ loop.previtem }}{% endfor %}";
      case 1: return "{% set y %}<{{ " + value + " }}>{% endset %}{{ y|upper }}{% set c = y %}";
      case 2: return "{% filter title %}{{ " + value + " }}{% endfilter %}";
      case 3: return "{{ m(" + value + ") }}";
      case 4: return "{% call(z) m(" + value + ") %}{{ z }}{% endcall %}";
      case 5: return "{% set c = c ~ " + value + " %}{{ c }}";
      case 6: return "{{ {'k': [" + value + ", ('<',)]} }}{{ {'k': " + value + "}|tojson(indent=1) }}";
      default: return "{{ " + value + " }}";
    }
  }

  std::mt19937 random_;
};

TEST(TemplateMarks, StayWithTheTextThroughRandomTemplates) {
  int rendered = 0;
  for (unsigned seed = 0; seed < 1500; ++seed) {
    const std::string source = RandomTemplate(seed).run();
    RenderOptions options;
    options.adapt = false;
    Prompt prompt;
    try {
      prompt = ChatTemplate::parse(source, {}).render({{"user", kInput}}, options);
    } catch (const Error&) {
      continue;  // not every operation fits every value
    }
    ++rendered;
    std::string marks(prompt.text.size(), '.');
    for (const auto& [begin, end] : prompt.input_ranges) marks.replace(begin, end - begin, end - begin, 'i');
    for (size_t i = 0; i < marks.size(); ++i) {
      const bool from_people = (prompt.text[i] & 0x80) != 0,
                 from_template = prompt.text[i] == '<' || prompt.text[i] == '>';
      ASSERT_FALSE(from_people && marks[i] != 'i') << source << "\n" << prompt.text << "\nat byte " << i;
      ASSERT_FALSE(from_template && marks[i] == 'i') << source << "\n" << prompt.text << "\nat byte " << i;
    }
  }
  EXPECT_GT(rendered, 500);
}

}  // namespace
}  // namespace gptq::chat
