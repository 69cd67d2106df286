// How a folder was quantized: quantize_config.json, with the details that gptq records under "meta".
#pragma once

#include <cstdint>
#include <string>

#include "core/file.h"
#include "hub/repository/origin.h"

namespace gptq::hub {

// Fields that the file lacks (other programs write fewer) are empty or 0.
struct QuantizationRecord {
  int64_t bits = 0, group_size = 0;  // -1: one group per row
  bool sym = true, desc_act = false;
  double damp = 0;
  std::string format;     // "gptq", "gptq_v2"
  std::string quantizer;  // "gptq:0.1.0"
  int64_t rules = 0;      // number of rules for modules with settings of their own
  std::string clip;
  double gptaq = -1;  // GPTAQ's strength, 0 to 1; -1: unknown
  struct Calibration {
    std::string name, sha256;
    int64_t samples = 0, seqlen = 0, seed = 0;
  } calibration;
  // Relative squared errors of the quantized modules' outputs.
  struct Errors {
    double mean = 0, max = 0;
    std::string module;  // name of the module with the largest error
    int64_t modules = 0;
  } errors;
  Origin origin;
};

bool has_quantization_record(const fs::path& folder);
QuantizationRecord read_quantization_record(const fs::path& folder);  // throws Error(kVerification) naming the key

}  // namespace gptq::hub
