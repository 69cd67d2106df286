// Any bytes as a chat template: parsing, probing and rendering must end in valid text or an Error.
#include <cstddef>
#include <cstdint>
#include <string>

#include <gptq/chat.h>
#include <gptq/error.h>

#include "core/check.h"
#include "unicode/characters.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace gptq;
  const std::string source(reinterpret_cast<const char*>(data), size);
  RenderOptions options;
  options.clock = 1'720'256'703;
  options.tools = R"([{"type":"function","function":{"name":"f","parameters":{"a":[1,2.5,null,true]}}}])";
  options.variables = R"({"n":-3,"x":1.5,"list":["b","a","Ä"],"dict":{"k":{"v":"w"}}})";
  options.adapt = size % 4 == 0;  // probing renders a dozen times
  try {
    const ChatTemplate chat = ChatTemplate::parse(source, {{"bos_token", "<s>"}, {"eos_token", "</s>"}});
    const Prompt prompt = chat.render_json(
        R"([{"role":"user","content":" Hé\n"},{"role":"assistant","content":[{"type":"text","text":"'x'"}]}])",
        options);
    CHECK(is_valid_utf8(prompt.text));
    size_t end = 0;
    for (const auto& [begin, stop] : prompt.input_ranges) {
      CHECK(begin >= end && begin < stop && stop <= prompt.text.size());
      end = stop;
    }
  } catch (const Error&) {
  }
  return 0;
}
