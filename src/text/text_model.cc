// The table of model types.
#include "text/text_model.h"

#include <gptq/error.h>

#include "text/bpe.h"

namespace gptq {

std::unique_ptr<TextModel> make_text_model(const Json& json, const ModelTables& tables, const std::string& what) {
  const JsonReader reader(json, what);
  const std::string type = reader.string("type", reader.has("merges") ? "BPE" : "without merges and type");
  if (type == "BPE") return std::make_unique<Bpe>(reader, tables);
  throw Error(ErrorKind::kVerification,
              "reading " + what + ": the model type \"" + type + "\" is not supported; supported here: BPE");
}

}  // namespace gptq
