// Errors: every failure of the library is an exception of type Error, with a kind for programs and a message for the
// user of the program.
#pragma once

#include <stdexcept>
#include <string>

namespace gptq {

// The numeric value of a kind is the exit code of the command-line program.
enum class ErrorKind {
  kGeneral = 1,        // any other failure, such as a full disk or a bug in gptq
  kUsage = 2,          // an invalid option or argument
  kNotFound = 3,       // a file, folder, tensor or model does not exist
  kPermission = 4,     // access was refused by the system or the Hub
  kNetwork = 5,        // the network or a server failed
  kVerification = 6,   // data that violates its format: damaged shards, malformed JSON, wrong shapes or hashes
  kOutOfMemory = 7,    // host or device memory is exhausted
  kNumerical = 8,      // NaN or infinity where finite numbers are required
  kInterrupted = 130,  // the caller asked to stop; the state on disk is consistent
};

// what() states what was attempted, what was found, what was expected and what to do. Messages may quote untrusted
// input: pass them through sanitize_for_terminal() (<gptq/terminal.h>) before printing them on a terminal. The middle
// of a message longer than about 4 kB is omitted.
class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message);
  ErrorKind kind() const { return kind_; }
  int exit_code() const { return static_cast<int>(kind_); }

 private:
  ErrorKind kind_;
};

}  // namespace gptq
