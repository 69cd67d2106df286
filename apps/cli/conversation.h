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

  const Engine& engine() const { return *engine_; }
  const std::string& system() const { return system_; }
  void set_system(const std::string& text) { system_ = text; }
  void clear() { messages_.clear(); }  // the system text stays

  // Adds a question and its answer to the messages; neither when it throws. White space before the answer is left out,
  // there and in `on_text`. Throws Error(kUsage) when the conversation does not fit into the context.
  Result ask(const std::string& question, const SamplingFlags& flags, const TextSink& on_text);

  // Another answer to the last question, in place of the one that there is, if there is one. Nothing changes when it
  // throws: as ask(), and Error(kUsage) when there is no question.
  Result retry(const SamplingFlags& flags, const TextSink& on_text);

  // Forgets the last question and what followed it; gives the question. Throws Error(kUsage) when there is none.
  std::string undo();

  // The system text, if there is one, and the messages.
  std::vector<Message> messages() const;
  size_t size() const { return messages_.size(); }  // messages, without the system text
  bool answered() const { return !messages_.empty() && messages_.back().role == "assistant"; }

  // What messages() gave, in place of all there is. Throws, and changes nothing, when the template refuses
  // them: as ChatTemplate::render.
  void replace(std::vector<Message> messages);

  // Of the context, taken by the system text and the messages.
  int tokens();

  // Does the context have room for another question?
  bool full() const { return full_; }

 private:
  Prompt render(bool for_answer);
  Result answer(const SamplingFlags& flags, const TextSink& on_text);
  size_t last_question() const;  // throws Error(kUsage) when there is none

  Engine* engine_;
  std::string system_;
  std::vector<Message> messages_;
  bool noted_ = false;  // that the template knows no system role, so that its text goes into the first question
  bool full_ = false;
};

}  // namespace gptq::cli
