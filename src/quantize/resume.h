// Resuming an interrupted run: checks of its state, and reading its finished layers.
#pragma once

#include <map>
#include <stop_token>
#include <string>

#include "quantize/job.h"
#include "quantize/journal.h"
#include "quantize/output_folder.h"
#include "quantize/pipeline.h"

namespace gptq::quantization {

// The state from which a run in a locked DIR.partial starts: a new journal, or the one found there after verifying that
// its inputs equal those of `job`, that the model's weights are unchanged and that the finished tensors are undamaged
// (SHA-256). A complete one is used without --resume too: only its rename is pending. Throws Error(kUsage) naming what
// differs or asking for --resume or --force, Error(kVerification) naming what is damaged or was edited,
// Error(kInterrupted). With --force and without --resume, a run that cannot be continued is started over.
JournalState take_over(const Job& job, const OutputFolder& folder, const QuantizeSink& on_progress,
                       const std::stop_token& stop);

// Runs the calibration activations through the finished layers. Throws Error(kInterrupted).
void replay_finished_layers(const Job& job, const OutputFolder& folder, const JournalState& state, Pipeline& pipeline,
                            const QuantizeSink& on_progress, const std::stop_token& stop);

// Marks the finished layers' tensors as written.
void mark_finished_layers(const Job& job, const JournalState& state, checkpoint::CheckpointWriter& writer);

// SHA-256 of the files of a model folder except its weights, by relative path.
std::map<std::string, std::string> hash_files(const fs::path& folder);

}  // namespace gptq::quantization
