// The inputs of one quantization: model, plan, calibration, and the tensors of the output.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "model/architecture.h"
#include "quantize/calibration.h"
#include "quantize/memory_plan.h"
#include "quantize/module_plan.h"
#include "quantize/quantize_with.h"

namespace gptq::quantization {

struct Job {
  const QuantizeOptions& options;
  checkpoint::Checkpoint checkpoint;
  model::Architecture architecture;
  ModelPlan plan;
  Calibration calibration;
  std::vector<checkpoint::TensorSpec> copied;  // tensors that are copied to the output unchanged
  std::vector<checkpoint::TensorSpec> packed;  // tensors of the quantized modules

  // Throws what quantize() throws for bad options, models and calibration texts. Keeps a reference to the options.
  explicit Job(const QuantizeOptions& options);

  std::vector<std::string> notes() const;
  int module_count() const;

  // Calls body(module name, linear, grid) for every quantized linear of a layer, in order.
  template <typename Body>
  void for_each_linear(int64_t layer, const Body& body) const {
    const LayerPlan& planned = plan.layers[static_cast<size_t>(layer)];
    for (const SetPlan& set : planned.sets) {
      if (!set.grid) continue;
      for (const backend::LinearSpec& linear : set.set.linears) body(planned.prefix + linear.name, linear, *set.grid);
    }
  }

  MemoryProblem memory_problem(const backend::Backend& backend) const;
  std::unique_ptr<backend::Backend> open_backend(const BackendMaker& make) const;

  int64_t bytes_out() const;                                // of all tensors of the output
  std::vector<checkpoint::TensorSpec> all_tensors() const;  // copied and packed, by name

  // The output's quantization config, with a summary of these modules' errors.
  checkpoint::QuantizeConfig config(const std::vector<ModuleReport>& modules) const;

  // Hashes of everything that determines the output's bytes, except the weights' values, by a readable name: "options",
  // "config.json", "header of model.safetensors"... A run may be continued only if they are equal.
  std::map<std::string, std::string> inputs() const;

  // SHA-256 of the bytes of the tensors that a layer's quantized modules replace, by name. Reads them.
  std::map<std::string, std::string> hash_replaced(int64_t layer) const;

  // Throws Error(kVerification) if a weight file was written to since this object was constructed. Replacing a file by
  // another one of the same name has no effect: the mapping keeps the old file.
  void check_unchanged() const;

 private:
  struct FileState {
    uint64_t device = 0, inode = 0, size = 0;
    int64_t seconds = 0, nanoseconds = 0;  // of the last change
    bool operator==(const FileState&) const = default;
  };
  static FileState state_of(const fs::path& path);
  void list_tensors();
  void check_tokens(bool tokenized) const;

  std::map<fs::path, FileState> files_;
};

}  // namespace gptq::quantization
