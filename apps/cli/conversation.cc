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
                "this model has no chat template, which a conversation requires; "
                "continue a text with gptq generate, or use the model's chat or instruct version");
  }
}

Prompt Conversation::render(bool for_answer) {
  const ChatTemplate& chat = *engine_->chat_template();
  if (!system_.empty() && !chat.abilities().system_role && !std::exchange(noted_, true)) {
    say("note: the chat template has no system role; the system text is prepended to the first user message");
  }
  RenderOptions options;
  options.add_generation_prompt = for_answer;
  return chat.render(messages(), options);
}

std::vector<Message> Conversation::messages() const {
  std::vector<Message> messages = messages_;
  if (!system_.empty()) messages.insert(messages.begin(), {"system", system_});
  return messages;
}

Result Conversation::answer(const SamplingFlags& flags, const TextSink& on_text) {
  const std::vector<TokenId> prompt = engine_->tokenizer().encode(render(true));
  const Request request = make_request(*engine_, flags, prompt, std::nullopt);
  Result result = engine_->generate(request, LeadingSpaceFilter(on_text));
  result.text.erase(0, std::min(result.text.find_first_not_of(kSpace), result.text.size()));
  full_ = result.prompt_tokens + result.new_tokens >= engine_->context_length();
  messages_.push_back({"assistant", result.text});
  return result;
}

Result Conversation::ask(const std::string& question, const SamplingFlags& flags, const TextSink& on_text) {
  messages_.push_back({"user", question});
  try {
    return answer(flags, on_text);
  } catch (...) {
    messages_.pop_back();
    throw;
  }
}

Result Conversation::retry(const SamplingFlags& flags, const TextSink& on_text) {
  const std::vector<Message> before = messages_;
  messages_.resize(last_question() + 1);
  try {
    return answer(flags, on_text);
  } catch (...) {
    messages_ = before;
    throw;
  }
}

std::string Conversation::undo() {
  const size_t question = last_question();
  const std::string text = messages_[question].content;
  messages_.resize(question);
  return text;
}

void Conversation::replace(std::vector<Message> messages) {
  const std::string system_before = system_;
  const std::vector<Message> before = messages_;
  system_.clear();
  if (!messages.empty() && messages[0].role == "system") {
    system_ = messages[0].content;
    messages.erase(messages.begin());
  }
  messages_ = std::move(messages);
  try {
    tokens();
  } catch (...) {
    system_ = system_before;
    messages_ = before;
    throw;
  }
}

int Conversation::tokens() {
  if (messages_.empty()) return 0;
  return static_cast<int>(engine_->tokenizer().encode(render(false)).size());
}

size_t Conversation::last_question() const {
  for (size_t i = messages_.size(); i > 0; --i) {
    if (messages_[i - 1].role == "user") return i - 1;
  }
  throw Error(ErrorKind::kUsage, "the conversation has no question yet");
}

}  // namespace gptq::cli
