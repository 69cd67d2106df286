// Commands of a conversation: lines that begin with /.
#include "chat_commands.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <algorithm>
#include <filesystem>
#include <utility>

#include <gptq/gptq.h>

#include "chat_files.h"
#include "help.h"
#include "numbers.h"
#include "progress.h"

namespace gptq::cli {

namespace {

namespace fs = std::filesystem;

constexpr const char* kBlank = " \t\r";
constexpr size_t kMaxQuote = 50;  // characters shown of a long text

enum class Argument { kNone, kFile, kSetting };

struct ChatCommand {
  const char* name;
  const char* arguments;
  const char* help;  // "": an alias of the command above
  Argument argument;
  ChatAction (*run)(ChatState& state, const std::string& rest);
};

const std::vector<ChatCommand>& chat_commands();

// The first word, and the rest without the blanks around it.
std::pair<std::string, std::string> split(const std::string& text) {
  const size_t end = std::min(text.find_first_of(kBlank), text.size());
  const size_t begin = std::min(text.find_first_not_of(kBlank, end), text.size());
  const size_t last = text.find_last_not_of(kBlank);
  return {text.substr(0, end), begin < text.size() ? text.substr(begin, last - begin + 1) : ""};
}

// One line of it.
std::string quoted(const std::string& text) {
  std::string line = text.substr(0, text.find('\n'));
  size_t end = 0;
  for (size_t characters = 0; end < line.size() && characters < kMaxQuote; ++characters) {
    do {
      ++end;
    } while (end < line.size() && (static_cast<unsigned char>(line[end]) & 0xC0) == 0x80);
  }
  return "\"" + line.substr(0, end) + (end < text.size() ? "...\"" : "\"");
}

std::string path_in(const std::string& rest, const char* command) {
  if (rest.empty()) throw Error(ErrorKind::kUsage, fmt::format("{} needs the name of a file", command));
  return in_home(rest);
}

// Follows links; a path that does not exist is returned unchanged.
std::string final_path(const std::string& path) {
  std::error_code error;
  const fs::path there = fs::canonical(path, error);
  return error ? path : there.string();
}

// Parameters may also be given by the names of their options, and max_new_tokens by a shorter one.
std::string parameter_name(std::string name) {
  std::replace(name.begin(), name.end(), '-', '_');
  return name == "max_tokens" ? "max_new_tokens" : name;
}

// The sampling parameters of the next answer: flags, or the model's own settings.
std::string sampling_text(const ChatState& state) {
  const Request request = make_request(state.conversation.engine(), state.sampling, {0}, std::nullopt);
  const Sampling& s = request.sampling;
  std::string text = fmt::format(
      "temperature {:g}, top_k {}, top_p {:g}, min_p {:g}, repetition_penalty {:g}, "
      "max_new_tokens {}",
      s.temperature, s.top_k, s.top_p, s.min_p, s.repetition_penalty,
      state.sampling.has("max_new_tokens") ? std::to_string(request.max_new_tokens) : "not limited");
  if (state.sampling.has("seed")) text += fmt::format(", seed {}", s.seed);
  return text;
}

std::string template_text(const ChatTemplate& chat) {
  const std::vector<std::string> names = chat.names();
  return fmt::format("{} bytes, {}{}", chat.source().size(),
                     chat.abilities().system_role ? "with a system role" : "without a system role",
                     names.size() > 1 ? fmt::format(", one of {}", fmt::join(names, ", ")) : "");
}

ChatAction show_help(ChatState&, const std::string&) {
  std::string text;
  for (const ChatCommand& command : chat_commands()) {
    if (*command.help != '\0')
      text += fmt::format("  {:<22}  {}\n", fmt::format("{} {}", command.name, command.arguments), command.help);
  }
  say(text +
      fmt::format(R"(  """                     begins and ends a question of several lines, which may begin with /
  Ctrl-C                  stops the answer; at the prompt it clears the line, pressed twice it leaves
  Tab, arrows, Ctrl-R     complete commands and file names; browse the history; search it
Parameters: {})",
                  fmt::join(parameter_names(), ", ")));
  return ChatAction::kGoOn;
}

ChatAction show_state(ChatState& state, const std::string&) {
  Conversation& conversation = state.conversation;
  const int context = conversation.engine().context_length(), used = conversation.tokens();
  say(fmt::format("model     {}", state.model));
  say(fmt::format("template  {}", template_text(*conversation.engine().chat_template())));
  say(fmt::format("system    {}", conversation.system().empty() ? "none" : quoted(conversation.system())));
  say(fmt::format("sampling  {}", sampling_text(state)));
  say(fmt::format("context   {} of {} tokens, {}", used, context, human_messages(conversation.size())));
  if (!state.attachment.empty())
    say(fmt::format("attached  {}", human_bytes(static_cast<int64_t>(state.attachment.size()))));
  if (!state.saved_as.empty()) say(fmt::format("saved as  {}", state.saved_as));
  return ChatAction::kGoOn;
}

ChatAction set(ChatState& state, const std::string& rest) {
  const auto [first, behind] = split(rest);
  if (first == "system") {
    state.conversation.set_system(behind);
    say(behind.empty() ? "the system text is removed" : "the system text is set");
    return ChatAction::kGoOn;
  }
  const auto [name, value] = first == "parameter" ? split(behind) : std::pair(first, behind);
  if (value.empty()) {
    throw Error(ErrorKind::kUsage,
                "write /set NAME VALUE, for example /set temperature 0.3, or /set system TEXT; "
                "/help lists the names");
  }
  set_parameter(state.sampling, parameter_name(name), value);
  say(fmt::format("{} is {}", parameter_name(name), value));
  return ChatAction::kGoOn;
}

ChatAction clear(ChatState& state, const std::string&) {
  state.conversation.clear();
  state.attachment.clear();
  state.saved_as.clear();
  say("conversation cleared");
  return ChatAction::kGoOn;
}

ChatAction undo(ChatState& state, const std::string&) {
  say(fmt::format("removed: {} and what followed", quoted(state.conversation.undo())));
  return ChatAction::kGoOn;
}

ChatAction retry(ChatState&, const std::string&) { return ChatAction::kRetry; }

ChatAction save(ChatState& state, const std::string& rest) {
  if (state.conversation.size() == 0) throw Error(ErrorKind::kUsage, "there is nothing to save yet");
  std::string path = rest.empty() && !state.saved_as.empty() ? state.saved_as : path_in(rest, "/save");
  path = final_path(path);
  write_user_file(path, messages_to_json(state.conversation.messages()), path == state.saved_as);
  state.saved_as = final_path(path);
  say(fmt::format("saved {} to {}", human_messages(state.conversation.messages().size()), path));
  return ChatAction::kGoOn;
}

ChatAction load(ChatState& state, const std::string& rest) {
  const std::string path = path_in(rest, "/load");
  std::vector<Message> messages = read_messages(path);
  if (messages.empty()) throw Error(ErrorKind::kVerification, fmt::format("reading {}: it has no messages", path));
  state.conversation.replace(std::move(messages));
  state.saved_as = final_path(path);
  say(fmt::format("{}, {} of {} tokens{}", human_messages(state.conversation.size()), state.conversation.tokens(),
                  state.conversation.engine().context_length(),
                  state.conversation.answered() ? "" : "; /retry generates an answer to the last one"));
  return ChatAction::kGoOn;
}

ChatAction attach(ChatState& state, const std::string& rest) {
  const std::string path = path_in(rest, "/file");
  const std::string text = read_message_text(path);
  const size_t tokens = state.conversation.engine().tokenizer().encode(text, false).size();
  const int context = state.conversation.engine().context_length();
  if (tokens >= static_cast<size_t>(context)) {
    throw Error(ErrorKind::kUsage, fmt::format("{} has {} tokens and the model's context holds {}; use a shorter text",
                                               path, tokens, context));
  }
  state.attachment += text + (text.empty() || text.back() == '\n' ? "\n" : "\n\n");
  say(fmt::format("{}, {}, is prepended to your next message", path, human_tokens(static_cast<int64_t>(tokens))));
  return ChatAction::kGoOn;
}

ChatAction leave(ChatState&, const std::string&) { return ChatAction::kLeave; }

const std::vector<ChatCommand>& chat_commands() {
  static const std::vector<ChatCommand> kCommands = {
      {"/help", "", "this list", Argument::kNone, show_help},
      {"/?", "", "", Argument::kNone, show_help},
      {"/show", "", "model, template, sampling parameters, context usage", Argument::kNone, show_state},
      {"/set", "NAME VALUE", "sampling parameters, for example /set temperature 0.3", Argument::kSetting, set},
      {"/set", "system TEXT", "instructions for the whole conversation", Argument::kSetting, set},
      {"/retry", "", "answer the last question again, with another seed", Argument::kNone, retry},
      {"/undo", "", "remove the last question and its answer", Argument::kNone, undo},
      {"/clear", "", "clear the conversation; keeps the system text", Argument::kNone, clear},
      {"/file", "FILE", "prepend a file's text to the next question", Argument::kFile, attach},
      {"/save", "FILE", "write the conversation to a file, as JSON", Argument::kFile, save},
      {"/load", "FILE", "continue a conversation from a file", Argument::kFile, load},
      {"/exit", "", "leave (also /bye, /quit, Ctrl-D)", Argument::kNone, leave},
      {"/bye", "", "", Argument::kNone, leave},
      {"/quit", "", "", Argument::kNone, leave},
  };
  return kCommands;
}

const ChatCommand* find_command(const std::string& name) {
  for (const ChatCommand& command : chat_commands()) {
    if (name == command.name) return &command;
  }
  return nullptr;
}

// Names in the folder part of `typed` that begin like its last part; folders end with '/'.
std::vector<std::string> file_names(const std::string& typed) {
  const size_t slash = typed.rfind('/');
  const std::string folder = slash == std::string::npos ? "" : typed.substr(0, slash + 1),
                    begin = typed.substr(folder.size());
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator entry(folder.empty() ? "." : in_home(folder), error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    const bool hidden = name[0] == '.' && begin.empty();
    if (hidden || name.rfind(begin, 0) != 0 || sanitize_for_terminal(name) != name || name.find('\n') != name.npos)
      continue;
    std::error_code ignored;
    names.push_back(folder + name + (entry->is_directory(ignored) ? "/" : ""));
  }
  return names;
}

}  // namespace

ChatAction run_chat_command(ChatState& state, const std::string& line) {
  const auto [name, rest] = split(line);
  if (const ChatCommand* command = find_command(name)) return command->run(state, rest);
  std::vector<std::string> names;
  for (const ChatCommand& known : chat_commands()) names.push_back(known.name);
  const std::string guess = nearest(name, names);
  throw Error(ErrorKind::kUsage, fmt::format("no command {}{}; /help lists the commands", name,
                                             guess.empty() ? "" : fmt::format("; did you mean {}?", guess)));
}

Completions complete_chat_command(const std::string& before) {
  Completions found;
  if (before.empty() || before[0] != '/') return found;
  const size_t end = before.find_first_of(kBlank);
  std::vector<std::string> all;
  if (end == std::string::npos) {
    for (const ChatCommand& command : chat_commands())
      all.push_back(command.name + std::string(command.argument == Argument::kNone ? "" : " "));
  } else {
    const ChatCommand* command = find_command(before.substr(0, end));
    found.begin = std::min(before.find_first_not_of(kBlank, end), before.size());
    if (command != nullptr && command->argument == Argument::kFile) all = file_names(before.substr(found.begin));
    if (command != nullptr && command->argument == Argument::kSetting) {
      for (const std::string& name : parameter_names()) all.push_back(name + " ");
      all.push_back("system ");
    }
  }
  const std::string typed = before.substr(found.begin);
  for (const std::string& candidate : all) {
    if (candidate.rfind(typed, 0) == 0) found.candidates.push_back(candidate);
  }
  std::sort(found.candidates.begin(), found.candidates.end());
  found.candidates.erase(std::unique(found.candidates.begin(), found.candidates.end()), found.candidates.end());
  return found;
}

}  // namespace gptq::cli
