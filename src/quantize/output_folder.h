// Where a quantization works and how its result gets its name, without ever removing what is not its own.
#pragma once

#include <optional>
#include <string>

#include <gptq/quantize.h>

#include "core/owner_lock.h"

namespace gptq::quantization {

// For the output DIR, work in progress lives in DIR.partial:
//   gptq.lock      written first: who works here, held for the whole run
//   journal.json   what is finished (quantize/journal.h)
//   model/         the output as far as it is there; it takes DIR's name when it is complete
//   replaced/      with --force, for a moment, the checkpoint that had the name
// Only these, with the files inside that the writer makes, are ever removed; anything else found there is an error.
class OutputFolder {
 public:
  // Looks without writing. Throws Error(kUsage) when DIR can never be made (no name, ".", "..", a symbolic link, a
  // file, a mount point), exists with something in it (without `force`, or when it is no checkpoint that gptq made),
  // lies in the model's folder, is or holds the model or the current folder, or DIR.partial is not gptq's. `options` must
  // outlive this object.
  explicit OutputFolder(const QuantizeOptions& options);

  const fs::path& output() const { return output_; }
  fs::path partial() const { return output_.string() + ".partial"; }
  fs::path model() const { return partial() / "model"; }

  // Makes DIR.partial or takes over what a run left there, and holds it from now on. Throws Error(kGeneral) naming the
  // process that works there, Error(kUsage) naming what is not gptq's, Error(kPermission | kNotFound | kGeneral).
  void lock();

  // Whether DIR is there with something in it.
  bool output_exists() const;

  // Whether a run was killed behind the rename: DIR holds what DIR.partial's journal calls complete.
  bool is_published() const;

  void clear();              // empties DIR.partial, but for the lock
  void keep_only_weights();  // of model/: removes the small files and left-over temporary ones, which are written again

  // Renames model/ to DIR, unless that is_published(); a checkpoint of that name is removed afterwards, and DIR.partial
  // with it. When it cannot be done, throws an Error that says so and leaves the complete model/ where it is.
  void publish();

  void discard() noexcept;  // removes DIR.partial as far as it is gptq's, and gives the lock back

 private:
  void check_output() const;
  void check_partial() const;
  void leave() noexcept;  // gives the lock back, and DIR.partial when nothing else is in it

  const QuantizeOptions& options_;
  fs::path output_;
  std::optional<OwnerLock> lock_;
};

// Whether a folder is or holds the model or one of its files, links followed.
bool holds_model(const fs::path& folder, const fs::path& model);

}  // namespace gptq::quantization
