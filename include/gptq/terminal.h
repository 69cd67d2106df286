// Untrusted text on a terminal: names in files, a server's messages, what a model writes.
#pragma once

#include <string>
#include <string_view>

namespace gptq {

// Gives `text` with a '?' for each character that could steer a terminal or disguise what follows: the C0 controls
// except line feed and tab, DEL, the C1 controls U+0080 to U+009F, the bidirectional marks, embeddings, overrides and
// isolates, the line and paragraph separators, and each maximal part that is not valid UTF-8. That includes U+200E,
// U+200F and U+061C, which right-to-left text may contain without harm: a table or an error is not worth the risk. The
// result is valid UTF-8. Works character by character: the parts of a stream, cut between characters, give the same as the whole.
std::string sanitize_for_terminal(std::string_view text);

}  // namespace gptq
