// Sanitizes untrusted text for a terminal: names in files, messages from servers, output of models.
#pragma once

#include <string>
#include <string_view>

namespace gptq {

// Replaces with '?' each character that could control a terminal or disguise the text after it: the C0 controls
// except line feed and tab, DEL, the C1 controls U+0080 to U+009F, the bidirectional marks, embeddings, overrides and
// isolates, the line and paragraph separators, and each maximal part that is not valid UTF-8. That includes U+200E,
// U+200F and U+061C, which right-to-left text may legitimately contain. The result is valid UTF-8. A stream that is
// split between characters may be sanitized in parts, with the same result.
std::string sanitize_for_terminal(std::string_view text);

}  // namespace gptq
