// A conversation with a model: its messages, and the next answer.
#include "conversation.h"

#include <fmt/format.h>
#include <optional>
#include <utility>

#include "progress.h"

namespace gptq::cli {

namespace {

constexpr const char* kSpace = " \t\r\n";

// Passes text on from its first visible character.
class LeadingSpaceFilter {
 public:
  explicit LeadingSpaceFilter(const TextSink& sink) : sink_(sink) {}

  bool operator()(const std::string& piece) {
    const size_t begin = started_ ? 0 : piece.find_first_not_of(kSpace);
    if (begin == std::string::npos) return sink_("");  // nothing to show, but a chance to cancel
    started_ = true;
    return sink_(piece.substr(begin));
  }

 private:
  const TextSink& sink_;
  bool started_ = false;
};

}  // namespace

Conversation::Conversation(Engine& engine) : engine_(&engine) {
  if (engine.chat_template() == nullptr) {
    throw Error(ErrorKind::kNotFound,
                "this model has no chat template, so it does not know questions and answers; "
                "continue a text with gptq generate, or use the model's chat or instruct version");
  }
}

Prompt Conversation::render() {
  const ChatTemplate& chat = *engine_->chat_template();
  if (system_.empty()) return chat.render(messages_);
  if (!chat.abilities().system_role && !std::exchange(noted_, true)) {
    say("note: the chat template has no system role; the system text goes in front of the first question");
  }
  std::vector<Message> messages = messages_;
  messages.insert(messages.begin(), {"system", system_});
  return chat.render(messages);
}

Result Conversation::ask(const std::string& question, const SamplingFlags& flags, const TextSink& on_text) {
  messages_.push_back({"user", question});
  try {
    const std::vector<TokenId> prompt = engine_->tokenizer().encode(render());
    const Request request = make_request(*engine_, flags, prompt, std::nullopt);
    Result result = engine_->generate(request, LeadingSpaceFilter(on_text));
    result.text.erase(0, std::min(result.text.find_first_not_of(kSpace), result.text.size()));
    full_ = result.prompt_tokens + result.new_tokens >= engine_->context_length();
    messages_.push_back({"assistant", result.text});
    return result;
  } catch (...) {
    messages_.pop_back();
    throw;
  }
}

}  // namespace gptq::cli
