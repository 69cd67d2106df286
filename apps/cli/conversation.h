// A conversation with a model: its messages, and the next answer.
#pragma once

#include <string>
#include <vector>

#include <gptq/gptq.h>

#include "sampling.h"

namespace gptq::cli {

class Conversation {
 public:
  // Keeps a reference to the engine. Throws Error(kNotFound) when the model has no chat template.
  explicit Conversation(Engine& engine);

  const Engine& engine() const { return *engine_; }
  const std::string& system() const { return system_; }
  void set_system(const std::string& text) { system_ = text; }
  void clear() { messages_.clear(); }  // keeps the system text

  // Adds a question and its answer to the messages; adds neither when it throws. White space before the answer is
  // removed, also in `on_text`. Throws Error(kUsage) when the conversation does not fit into the context.
  Result ask(const std::string& question, const SamplingFlags& flags, const TextSink& on_text);

  // Replaces the answer to the last question by another one. Changes nothing when it throws: as ask(), and
  // Error(kUsage) when there is no question.
  Result retry(const SamplingFlags& flags, const TextSink& on_text);

  // Removes the last question and everything after it; returns the question. Throws Error(kUsage) when there is none.
  std::string undo();

  // The system text, if any, and the messages.
  std::vector<Message> messages() const;
  size_t size() const { return messages_.size(); }  // messages, without the system text
  bool answered() const { return !messages_.empty() && messages_.back().role == "assistant"; }

  // Replaces everything by what messages() returned. Throws as ChatTemplate::render, changing nothing, when the
  // template refuses the messages.
  void replace(std::vector<Message> messages);

  // Tokens of the context used by the system text and the messages.
  int tokens();

  // True if the context has room for another question.
  bool full() const { return full_; }

 private:
  Prompt render(bool for_answer);
  Result answer(const SamplingFlags& flags, const TextSink& on_text);
  size_t last_question() const;  // throws Error(kUsage) when there is none

  Engine* engine_;
  std::string system_;
  std::vector<Message> messages_;
  bool noted_ = false;  // the template has no system role, so the system text is prepended to the first question
  bool full_ = false;
};

}  // namespace gptq::cli
