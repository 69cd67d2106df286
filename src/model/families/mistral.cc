// Mistral 7B, NeMo, Small: Llama's layer, with a sliding window on every layer when the config names one.
#include "core/json.h"
#include "model/config.h"
#include "model/families.h"

namespace gptq {

Architecture read_mistral(const JsonReader& config) {
  Architecture a = read_common(config);
  a.windows.assign(static_cast<size_t>(a.layers), read_window(config, 0));
  return a;
}

}  // namespace gptq
