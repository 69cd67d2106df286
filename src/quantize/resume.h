// Going on where an interrupted run stopped: what may be continued, and finished layers read back.
#pragma once

#include <map>
#include <stop_token>
#include <string>

#include "quantize/job.h"
#include "quantize/journal.h"
#include "quantize/output_folder.h"
#include "quantize/pipeline.h"

namespace gptq::quantization {

// What the work in a locked DIR.partial is to begin from: a journal with nothing done, or the one found there, once it
// is certain that its inputs are those of `job`, that the model's weights are the ones it was made from and that the
// finished tensors are whole (by SHA-256 of both). A complete one is taken without --resume, too: only its rename is
// missing. Throws Error(kUsage) naming what differs or that --resume or --force decides, Error(kVerification) naming
// what is damaged or was edited, Error(kInterrupted). With --force alone, what cannot be continued is started over.
JournalState take_over(const Job& job, const OutputFolder& folder, const QuantizeSink& on_progress,
                       const std::stop_token& stop);

// Brings the calibration activations behind the finished layers. Throws Error(kInterrupted).
void replay_finished_layers(const Job& job, const OutputFolder& folder, const JournalState& state, Pipeline& pipeline,
                            const QuantizeSink& on_progress, const std::stop_token& stop);

// Tells the writer what the finished layers' tensors are.
void mark_finished_layers(const Job& job, const JournalState& state, checkpoint::CheckpointWriter& writer);

// SHA-256 of the files of a model folder, but for its weights, by their path in it.
std::map<std::string, std::string> hash_files(const fs::path& folder);

}  // namespace gptq::quantization
