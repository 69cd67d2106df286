// Printing untrusted text on a terminal: names in files, messages of a server, output of a model.
#pragma once

#include <string>
#include <string_view>

namespace gptq {

// Replaces by '?' each character that could control a terminal or disguise the following text: the C0 controls
// except line feed and tab, DEL, the C1 controls U+0080 to U+009F, the bidirectional marks, embeddings, overrides and
// isolates, the line and paragraph separators, and each maximal part that is not valid UTF-8. That includes U+200E,
// U+200F and U+061C, which right-to-left text may contain without harm: a table or an error is not worth the risk.
// The result is valid UTF-8. Works character by character: sanitizing the parts of a stream, split between characters,
// equals sanitizing the whole.
std::string sanitize_for_terminal(std::string_view text);

}  // namespace gptq
