// The working folder of a quantization and the publication of its result; only files made by gptq are removed.
#pragma once

#include <optional>
#include <string>

#include <gptq/quantize.h>

#include "core/owner_lock.h"

namespace gptq::quantization {

// For the output DIR, work in progress is in DIR.partial:
//   gptq.lock      written first: the owner, locked for the whole run
//   journal.json   what is finished (quantize/journal.h)
//   model/         the partial output; renamed to DIR when it is complete
//   replaced/      with --force, temporarily, the previous DIR
// Only these, with the files that the writer makes in them, are ever removed; anything else found there is an error.
class OutputFolder {
 public:
  // Checks without writing. Throws Error(kUsage) if DIR cannot be created (no name, ".", "..", a symbolic link, a file,
  // a mount point), exists and is not empty (without `force`, or if it is not a checkpoint made by gptq), is inside the
  // model's folder, is or contains the model or the current folder, or if DIR.partial was not made by gptq. `options`
  // must outlive this object.
  explicit OutputFolder(const QuantizeOptions& options);

  const fs::path& output() const { return output_; }
  fs::path partial() const { return output_.string() + ".partial"; }
  fs::path model() const { return partial() / "model"; }

  // Creates DIR.partial or takes over that of an interrupted run, and locks it. Throws Error(kGeneral) with the
  // process that holds the lock, Error(kUsage) with a file not made by gptq, or the error of a system call.
  void lock();

  // Whether DIR exists and is not empty.
  bool output_exists() const;

  // Whether a run was killed after the rename: DIR is the output that DIR.partial's journal records as complete.
  bool is_published() const;

  void clear();              // removes the content of DIR.partial except the lock
  void keep_only_weights();  // removes the small files of model/, which are written again, and temporary files

  // Renames model/ to DIR, unless is_published(); then removes the replaced checkpoint and DIR.partial. If renaming
  // fails, throws an Error that names the complete model/, which stays in DIR.partial.
  void publish();

  void discard() noexcept;  // removes the files in DIR.partial made by gptq, then releases the lock

 private:
  void check_output() const;
  void check_partial() const;
  void leave() noexcept;  // removes DIR.partial if it holds only the lock, and releases the lock

  const QuantizeOptions& options_;
  fs::path output_;
  std::optional<OwnerLock> lock_;
};

// Whether a folder is or contains the model or one of its files; links are followed.
bool holds_model(const fs::path& folder, const fs::path& model);

}  // namespace gptq::quantization
