// Line editing on a terminal with libedit: history, completion, multi-line pastes.
#include "line_editor.h"

#include <fcntl.h>
#include <histedit.h>
#include <langinfo.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>
#include <utf8proc.h>
#include <algorithm>
#include <cerrno>
#include <clocale>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <utility>

#include <gptq/gptq.h>

#include "folds.h"
#include "streams.h"
#include "table.h"
#include "terminal_keys.h"

namespace gptq::cli {

namespace {

constexpr size_t kHistorySize = 1000;
constexpr int kSequenceWait = 50;  // milliseconds between the bytes that a key sends
constexpr const char* kPasteOn = "\033[?2004h";
constexpr const char* kPasteOff = "\033[?2004l";
constexpr wchar_t kColourMark = 1;  // encloses zero-width text in a prompt

static_assert(sizeof(wchar_t) == sizeof(char32_t), "libedit takes wchar_t as code points");

std::wstring to_wide(const std::string& text) {
  std::wstring wide;
  const auto* data = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
  for (size_t at = 0; at < text.size();) {
    utf8proc_int32_t point = 0;
    const auto length = utf8proc_iterate(data + at, static_cast<utf8proc_ssize_t>(text.size() - at), &point);
    if (length > 0) wide += static_cast<wchar_t>(point);
    at += static_cast<size_t>(std::max<utf8proc_ssize_t>(length, 1));
  }
  return wide;
}

std::string to_utf8(const wchar_t* begin, const wchar_t* end) {
  std::string text;
  for (; begin != end; ++begin) {
    utf8proc_uint8_t bytes[4];
    const auto length = utf8proc_encode_char(static_cast<utf8proc_int32_t>(*begin), bytes);
    text.append(reinterpret_cast<const char*>(bytes), static_cast<size_t>(length));
  }
  return text;
}

int signal_output = -1;  // the handler's end of the pipe

void tell_reader(int number) {
  const int error = errno;
  const auto byte = static_cast<unsigned char>(number);
  (void)!write(signal_output, &byte, 1);
  errno = error;
}

// During its lifetime, signals become bytes in a pipe: they wake the reader, whichever thread receives them.
class CaughtSignals {
 public:
  CaughtSignals() {
    if (pipe2(pipe_, O_CLOEXEC | O_NONBLOCK) != 0) {
      throw Error(ErrorKind::kGeneral, std::string("reading a line: no pipe for signals: ") + std::strerror(errno));
    }
    signal_output = pipe_[1];
    struct sigaction action = {};
    action.sa_handler = tell_reader;
    for (size_t i = 0; i < kCount; ++i) {
      sigaction(kSignals[i], nullptr, &before_[i]);
      if (before_[i].sa_handler != SIG_IGN) sigaction(kSignals[i], &action, nullptr);
    }
  }
  ~CaughtSignals() {
    for (size_t i = 0; i < kCount; ++i) sigaction(kSignals[i], &before_[i], nullptr);
    close(pipe_[0]);
    close(pipe_[1]);
  }
  CaughtSignals(const CaughtSignals&) = delete;
  CaughtSignals& operator=(const CaughtSignals&) = delete;

  int descriptor() const { return pipe_[0]; }
  int next() const {  // 0 when there is none
    unsigned char number = 0;
    return read(pipe_[0], &number, 1) == 1 ? number : 0;
  }

 private:
  static constexpr int kSignals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGCONT, SIGWINCH};
  static constexpr size_t kCount = std::size(kSignals);
  struct sigaction before_[kCount];
  int pipe_[2] = {-1, -1};
};

}  // namespace

struct LineEditor::State {
  Completer completer;
  bool colour = false;
  FILE* out = nullptr;
  EditLine* el = nullptr;
  HistoryW* history = nullptr;
  KeyDecoder keys = {};
  const CaughtSignals* signals = nullptr;
  std::wstring prompt = {};
  std::string typed = {};  // before Ctrl-C
  Folds folds = {};
  std::vector<std::string> entries = {};  // entered lines, the newest last
  size_t position = 0;                    // index of the shown one; the last index is the current line
  std::string unfinished = {};            // the current line, while another one is shown
  bool interrupting = false, interrupted = false, terminated = false;

  ~State() {
    if (el != nullptr) el_end(el);
    if (history != nullptr) history_wend(history);
    if (out != nullptr) std::fclose(out);
  }

  static State& of(EditLine* editor) {
    void* state = nullptr;
    el_wget(editor, EL_CLIENTDATA, &state);
    return *static_cast<State*>(state);
  }

  void write_out(const std::string& text) const {
    std::fwrite(text.data(), 1, text.size(), out);
    std::fflush(out);
  }

  void leave_terminal() const {
    el_wset(el, EL_PREP_TERM, 0);
    write_out(kPasteOff);
  }

  void enter_terminal() const {
    el_wset(el, EL_PREP_TERM, 1);
    write_out(kPasteOn);
    el_wset(el, EL_REFRESH);
  }

  // The key for a signal that ends the line; nullopt to continue.
  std::optional<char32_t> take_signal(int number) {
    switch (number) {
      case SIGINT:
        keys.clear();
        interrupting = true;
        return keys::kEnd;  // first move the cursor past the text
      case SIGWINCH: el_resize(el); return std::nullopt;
      case SIGTSTP: {
        write_out("\n");
        leave_terminal();
        struct sigaction usual = {}, caught = {};
        usual.sa_handler = SIG_DFL;
        sigaction(SIGCONT, &usual, &caught);
        sigaction(SIGTSTP, &usual, nullptr);
        raise(SIGTSTP);  // returns when the program is continued
        sigaction(SIGTSTP, &caught, nullptr);
        sigaction(SIGCONT, &caught, nullptr);
        enter_terminal();
        return std::nullopt;
      }
      case SIGCONT:  // after SIGSTOP
        el_wset(el, EL_PREP_TERM, 0);
        enter_terminal();
        return std::nullopt;
      case SIGTERM:
      case SIGHUP:
      case SIGQUIT: terminated = true; return std::nullopt;
      default: return std::nullopt;
    }
  }

  static int next_key(EditLine* editor, wchar_t* key) {
    State& s = of(editor);
    for (;;) {
      std::optional<char32_t> got = std::exchange(s.interrupting, false) ? keys::kInterrupt : s.keys.next();
      pollfd inputs[] = {{STDIN_FILENO, POLLIN, 0}, {s.signals->descriptor(), POLLIN, 0}};
      if (!got) {
        const int ready = poll(inputs, 2, s.keys.undecided() ? kSequenceWait : -1);
        if (ready < 0 && errno != EINTR) return -1;
        if (ready == 0) s.keys.flush();
        if (ready <= 0) continue;
        if (inputs[1].revents != 0) got = s.take_signal(s.signals->next());
      }
      if (s.terminated) return 0;
      if (got) {
        *key = static_cast<wchar_t>(*got);
        return 1;
      }
      if (inputs[0].revents == 0) continue;
      char chunk[4096];
      const ssize_t count = ::read(STDIN_FILENO, chunk, sizeof chunk);
      if (count < 0 && (errno == EINTR || errno == EAGAIN)) continue;
      if (count <= 0) return 0;
      s.keys.feed({chunk, static_cast<size_t>(count)});
    }
  }

  static wchar_t* show_prompt(EditLine* editor) { return of(editor).prompt.data(); }

  static unsigned char interrupt_line(EditLine* editor, wint_t) {
    State& s = of(editor);
    s.typed = s.text();
    s.interrupted = true;
    s.write_out("\n");
    return CC_NEWLINE;
  }

  static unsigned char insert_paste(EditLine* editor, wint_t) {
    State& s = of(editor);
    const std::wstring text = to_wide(s.folds.fold(s.keys.take_paste()));
    if (!text.empty() && el_winsertstr(editor, text.c_str()) != 0) return CC_ERROR;
    return CC_REFRESH;
  }

  // libedit's own commands keep 1024 characters of the current line, and show what was behind them.
  static unsigned char show_older(EditLine* editor, wint_t) {
    State& s = of(editor);
    if (s.position == 0) return CC_REFRESH_BEEP;
    if (s.position == s.entries.size()) s.unfinished = s.text();
    return s.show(s.folds.fold(s.entries[--s.position]));
  }

  static unsigned char show_newer(EditLine* editor, wint_t) {
    State& s = of(editor);
    if (s.position == s.entries.size()) return CC_REFRESH_BEEP;
    ++s.position;
    return s.show(s.position == s.entries.size() ? s.unfinished : s.folds.fold(s.entries[s.position]));
  }

  std::string text() const {
    const LineInfoW* line = el_wline(el);
    return to_utf8(line->buffer, line->lastchar);
  }

  // Replaces the whole line.
  unsigned char show(const std::string& text) const {
    const LineInfoW* line = el_wline(el);
    el_cursor(el, static_cast<int>(line->lastchar - line->cursor));
    el_wdeletestr(el, static_cast<int>(line->lastchar - line->buffer));
    return text.empty() || el_winsertstr(el, to_wide(text).c_str()) == 0 ? CC_REFRESH : CC_ERROR;
  }

  static unsigned char complete_word(EditLine* editor, wint_t) {
    try {
      return of(editor).complete();
    } catch (...) {  // exceptions must not pass through C
      return CC_ERROR;
    }
  }

  unsigned char complete() const;
  void list(std::vector<std::string> candidates, const std::string& word) const;
};

unsigned char LineEditor::State::complete() const {
  const LineInfoW* line = el_wline(el);
  const std::string before = to_utf8(line->buffer, line->cursor);
  const Completions found = completer(before);
  if (found.candidates.empty()) return CC_REFRESH_BEEP;
  std::wstring common = to_wide(found.candidates[0]);
  for (const std::string& candidate : found.candidates) {
    const std::wstring other = to_wide(candidate);
    common.erase(std::mismatch(common.begin(), common.end(), other.begin(), other.end()).first, common.end());
  }
  const std::wstring word = to_wide(before.substr(found.begin));
  if (common == word) {
    if (found.candidates.size() == 1) return CC_NORM;
    list(found.candidates, before.substr(found.begin));
    return CC_REDISPLAY;
  }
  el_wdeletestr(el, static_cast<int>(word.size()));
  return el_winsertstr(el, common.c_str()) == 0 ? CC_REFRESH : CC_ERROR;
}

// Below the line, in columns; of files the names only.
void LineEditor::State::list(std::vector<std::string> candidates, const std::string& word) const {
  size_t width = 0;
  for (std::string& candidate : candidates) {
    if (word.rfind('/') != std::string::npos && word.rfind('/') > 0) candidate.erase(0, word.rfind('/') + 1);
    width = std::max(width, text_width(candidate) + 2);
  }
  int columns = 0;
  if (el_wget(el, EL_GETTC, "co", &columns) != 0 || columns <= 0) columns = 80;
  const size_t per_row = std::max<size_t>(1, static_cast<size_t>(columns - 1) / width);
  std::string text = "\n";
  for (size_t i = 0; i < candidates.size(); ++i) {
    const bool ends = (i + 1) % per_row == 0 || i + 1 == candidates.size();
    text += sanitize_for_terminal(candidates[i]);
    text += ends ? "\n" : std::string(width - text_width(candidates[i]), ' ');
  }
  write_out(text);
}

bool LineEditor::usable() {
  const char* terminal = std::getenv("TERM");
  if (!stdin_is_terminal() || isatty(STDERR_FILENO) != 1) return false;
  if (terminal == nullptr || *terminal == '\0' || std::strcmp(terminal, "dumb") == 0) return false;
  if (std::setlocale(LC_CTYPE, "C.UTF-8") == nullptr) std::setlocale(LC_CTYPE, "");
  return std::strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

LineEditor::LineEditor(bool colour, Completer completer) : state_(new State{std::move(completer), colour}) {
  State& s = *state_;
  const int copy = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
  s.out = copy < 0 ? nullptr : fdopen(copy, "w");  // with a buffer, which stderr has not
  s.el = s.out == nullptr ? nullptr : el_init_fd("gptq", stdin, s.out, s.out, STDIN_FILENO, copy, copy);
  s.history = history_winit();
  if (s.el == nullptr || s.history == nullptr) {
    throw Error(ErrorKind::kGeneral, std::string("starting the line editor: ") + std::strerror(errno));
  }
  HistEventW event;
  history_w(s.history, &event, H_SETSIZE, static_cast<int>(kHistorySize));
  el_wset(s.el, EL_CLIENTDATA, &s);
  el_wset(s.el, EL_EDITOR, L"emacs");
  el_wset(s.el, EL_SETTY, L"-d", L"-icrnl", L"-inlcr",
          static_cast<wchar_t*>(nullptr));  // pastes tell "\r\n" from two line ends
  el_wset(s.el, EL_HIST, history_w, s.history);
  el_wset(s.el, EL_PROMPT_ESC, State::show_prompt, kColourMark);
  el_wset(s.el, EL_GETCFN, State::next_key);
  el_wset(s.el, EL_ADDFN, L"gptq-interrupt", L"Forget the line", State::interrupt_line);
  el_wset(s.el, EL_ADDFN, L"gptq-paste", L"Insert a paste", State::insert_paste);
  el_wset(s.el, EL_ADDFN, L"gptq-older", L"Show the line before", State::show_older);
  el_wset(s.el, EL_ADDFN, L"gptq-newer", L"Show the line after", State::show_newer);
  el_wset(s.el, EL_ADDFN, L"gptq-complete", L"Complete a word", State::complete_word);
  const std::pair<const wchar_t*, const wchar_t*> bindings[] = {
      {L"^C", L"gptq-interrupt"},
      {L"^^", L"gptq-paste"},
      {L"^I", L"gptq-complete"},
      {L"^P", L"gptq-older"},
      {L"^N", L"gptq-newer"},
      {L"^R", L"em-inc-search-prev"},
      {L"^W", L"ed-delete-prev-word"},
      {L"\\034", L"em-next-word"},  // the keys of terminal_keys.h
      {L"\\035", L"ed-delete-next-char"},
      {L"\\037", L"ed-prev-word"},
  };
  for (const auto& [key, function] : bindings) el_wset(s.el, EL_BIND, key, function, static_cast<wchar_t*>(nullptr));
}

LineEditor::~LineEditor() = default;

LineReader::Outcome LineEditor::read(const std::string& prompt, std::string& line) {
  State& s = *state_;
  const CaughtSignals signals;
  s.signals = &signals;
  s.folds = {};
  s.position = s.entries.size();
  s.interrupting = s.interrupted = s.terminated = false;
  const std::wstring mark(1, kColourMark), text = to_wide(prompt);
  const size_t visible = text.find_last_not_of(L' ') + 1;
  s.prompt =
      s.colour ? mark + L"\033[1;32m" + mark + text.substr(0, visible) + mark + L"\033[0m" + mark + text.substr(visible)
               : text;
  el_wset(s.el, EL_PREP_TERM, 1);  // before the prompt invites keys
  s.write_out(kPasteOn);
  int count = 0;
  const wchar_t* typed = el_wgets(s.el, &count);
  s.leave_terminal();
  if (s.terminated) {
    s.write_out("\n");
    throw Error(ErrorKind::kInterrupted, "interrupted");
  }
  if (s.interrupted) {
    line = s.typed;
    return LineReader::Outcome::kInterrupted;
  }
  if (typed == nullptr || count <= 0) return LineReader::Outcome::kEnd;
  line = to_utf8(typed, typed + count);
  if (line.back() == '\n') line.pop_back();
  line = s.folds.unfold(line);
  return LineReader::Outcome::kLine;
}

void LineEditor::remember(const std::string& text) {
  State& s = *state_;
  if (!s.entries.empty() && s.entries.back() == text) return;
  s.entries.push_back(text);
  if (s.entries.size() > kHistorySize) s.entries.erase(s.entries.begin());
  if (Folds().fold(text) != text) return;  // a search shows whole lines
  HistEventW event;
  history_w(s.history, &event, H_ENTER, to_wide(text).c_str());
}

}  // namespace gptq::cli
