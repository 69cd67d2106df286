// The one way this library fails: an Error with a kind for programs and a sentence for people.
#pragma once

#include <stdexcept>
#include <string>

namespace gptq {

// Each kind is also the exit code of the command-line program.
enum class ErrorKind {
  kGeneral = 1,        // anything without a better word: a full disk, an unwritable folder, our own bug
  kUsage = 2,          // an option or argument that cannot work
  kNotFound = 3,       // a file, folder, tensor or model that is not there
  kPermission = 4,     // the system or the Hub refuses access
  kNetwork = 5,        // the network failed
  kVerification = 6,   // bytes that break their format: damaged shards, bad JSON, wrong shapes
  kOutOfMemory = 7,    // host or device memory
  kNumerical = 8,      // NaN or infinity where numbers were expected
  kInterrupted = 130,  // the caller asked to stop; the state on disk is clean
};

// `what()` says what was attempted, what was found, what was expected and what to try. Messages quote what they found;
// of one longer than about 4 kB the middle is left out.
class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message);
  ErrorKind kind() const { return kind_; }
  int exit_code() const { return static_cast<int>(kind_); }

 private:
  ErrorKind kind_;
};

}  // namespace gptq
