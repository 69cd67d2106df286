// A conversation with a model: its messages, and the next answer.
#pragma once

#include <string>
#include <vector>

#include <gptq/gptq.h>

#include "sampling.h"

namespace gptq::cli {

class Conversation {
 public:
  // Borrows the engine. Throws Error(kNotFound) when the model has no chat template.
  explicit Conversation(Engine& engine);

  void set_system(const std::string& text) { system_ = text; }
  void clear() { messages_.clear(); }  // the system text stays

  // Adds a question and its answer to the messages; neither when it throws. White space before the answer is
  // left out, there and in `on_text`. Throws Error(kUsage) when the conversation does not fit into the
  // context.
  Result ask(const std::string& question, const SamplingFlags& flags, const TextSink& on_text);

  // Does the context have room for another question?
  bool full() const { return full_; }

 private:
  Prompt render();

  Engine* engine_;
  std::string system_;
  std::vector<Message> messages_;
  bool noted_ = false;  // that the template knows no system role, so that its text goes into the first question
  bool full_ = false;
};

}  // namespace gptq::cli
