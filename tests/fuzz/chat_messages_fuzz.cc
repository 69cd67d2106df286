// Any bytes as a conversation: the messages, then, after zero bytes, tools and variables, given to several templates.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <gptq/chat.h>
#include <gptq/error.h>

#include "core/check.h"
#include "unicode/characters.h"

namespace {

using namespace gptq;

// Roles and content in the common way; tools and calls; everything that is there, printed and taken apart.
std::vector<ChatTemplate> make_templates() {
  const std::vector<std::string> sources = {
      "{{ bos_token }}{% for m in messages %}<|{{ m.role }}|>{{ m.content|trim }}{% endfor %}",
      "{% for t in tools or [] %}{{ t|tojson(indent=2) }}{{ t.function.parameters|dictsort }}{% endfor %}"
      "{% for m in messages %}{% for c in m.tool_calls %}{{ c.function.name }}{{ c.function.arguments|tojson }}"
      "{% for k, v in c.function.arguments|items %}{{ k }}={{ v }}{% endfor %}{% endfor %}{% endfor %}",
      "{% for m in messages %}{% for k, v in m.items() %}{{ k }}{{ v }}{{ v|string|upper }}{{ [v]|join('-') }}{% "
      "endfor %}"
      "{% if m.content is string %}{{ m.content.split('</think>')[-1][::-1].title() }}{{ '%s' % m.content }}"
      "{% else %}{% for p in m.content %}{{ p.text }}{% endfor %}{% endif %}{% endfor %}{{ messages == messages[::-1] "
      "}}",
      "{{ messages|map(attribute='content')|map('string')|sort|unique|join('|') }}{{ messages|groupby('role') }}"
      "{{ messages|tojson(sort_keys=true, ensure_ascii=true) }}"};
  std::vector<ChatTemplate> templates;
  for (const std::string& source : sources) templates.push_back(ChatTemplate::parse(source, {{"bos_token", "<s>"}}));
  return templates;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::vector<ChatTemplate> kTemplates = make_templates();
  std::vector<std::string> parts(1);
  for (const char c : std::string(reinterpret_cast<const char*>(data), size)) {
    if (c == '\0' && parts.size() < 3)
      parts.emplace_back();
    else
      parts.back() += c;
  }
  parts.resize(3);
  RenderOptions options;
  options.clock = 1'720'256'703;
  options.tools = parts[1];
  options.variables = parts[2];
  options.continue_final_message = size % 8 == 0;
  for (const ChatTemplate& chat : kTemplates) {
    try {
      const Prompt prompt = chat.render_json(parts[0], options);
      CHECK(is_valid_utf8(prompt.text));
      CHECK(std::all_of(prompt.input_ranges.begin(), prompt.input_ranges.end(), [&](const auto& range) {
        return range.first < range.second && range.second <= prompt.text.size();
      }));
    } catch (const Error&) {
    }
  }
  return 0;
}
