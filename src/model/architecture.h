// An architecture as data: sizes, the program of each layer, and the embedding, final norm and head around the layers.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "backend/backend.h"

namespace gptq::model {

// Names used throughout the module.
using backend::Activation;
using backend::ActivationStep;
using backend::AddStep;
using backend::AttentionStep;
using backend::Backend;
using backend::BatchRows;
using backend::Columns;
using backend::DecodeRunner;
using backend::kNoParameter;
using backend::kResidual;
using backend::LayerProgram;
using backend::LinearSet;
using backend::LinearSpec;
using backend::LinearStep;
using backend::Matrix;
using backend::MatrixView;
using backend::NormKind;
using backend::NormStep;
using backend::Parameter;
using backend::RopeStep;
using backend::Weight;

enum class RopeType { kDefault, kLinear, kDynamic, kLlama3, kYarn };

// Frequencies of a rotary position embedding (Su et al., arXiv 2104.09864) and its extensions to longer contexts.
struct RopeSpec {
  RopeType type = RopeType::kDefault;
  int64_t rotary_dim = 0;  // rotated elements of a head
  double theta = 10000.0;
  double factor = 1.0;
  int64_t original_max_positions = 0;                    // of the model before the extension
  double low_freq_factor = 1.0, high_freq_factor = 4.0;  // llama3
  double beta_fast = 32.0, beta_slow = 1.0;              // yarn (Peng et al., arXiv 2309.00071)
  bool truncate = true;                                  // yarn: round the ends of the ramp outwards
  double attention_factor = 1.0;                         // yarn: scales cos and sin
};

// Names of a model's tensors outside its linears, as the checkpoint spells them.
struct TensorNames {
  std::string embedding;  // the tensor
  std::string layers;     // prefix of a layer's number
  std::string head;       // the module
};

struct Architecture {
  std::string model_type;
  int64_t vocab_size = 0;   // V
  int64_t hidden_size = 0;  // E
  int64_t layers = 0;       // L
  int64_t context_length = 0;
  std::vector<RopeSpec> ropes;

  float embedding_scale = 1;  // multiplies the embedded tokens
  std::vector<LayerProgram> programs;
  std::vector<int> program_of_layer;  // [L]
  // After the layers: a norm with these parameters, the head, and logits = cap · tanh(logits / cap) unless cap is 0.
  NormStep final_norm;
  std::vector<Parameter> final_parameters;
  bool tied_head = false;  // the head is the embedding table
  bool head_bias = false;
  float logit_soft_cap = 0;
  TensorNames names;

  const LayerProgram& program(int64_t layer) const {
    return programs[static_cast<size_t>(program_of_layer[static_cast<size_t>(layer)])];
  }
  std::string layer_prefix(int64_t layer) const { return names.layers + std::to_string(layer) + "."; }
  // Whether angles depend on the length of the whole sequence (dynamic RoPE): cached keys keep their original angles.
  bool depends_on_length() const;
};

}  // namespace gptq::model
