// Reads quantize_config.json for the model card.
#include "hub/upload/quantization_record.h"

#include "core/json.h"

namespace gptq::hub {

namespace {

constexpr const char* kFile = "quantize_config.json";

// The object below a key, or an empty one.
JsonReader below(const JsonReader& reader, const char* key) {
  static const Json kNothing = Json::object();
  const Json* found = reader.find(key);
  return JsonReader(found == nullptr ? kNothing : *found, reader.what() + ", \"" + key + "\"");
}

std::string quantizer_of(const JsonReader& meta) {
  const Json* found = meta.find("quantizer");
  if (found == nullptr) return "";
  const Json& first = found->is_array() && !found->empty() ? found->front() : *found;
  return first.is_string() ? first.get<std::string>() : "";
}

// GPTAQ's strength: null is 0, an object has it as "alpha"; other forms, from other programs, are unknown.
double gptaq_of(const JsonReader& meta) {
  const auto found = meta.json().find("gptaq");
  if (found == meta.json().end()) return -1;
  if (found->is_null()) return 0;
  return found->is_object() ? JsonReader(*found, meta.what() + ", \"gptaq\"").number("alpha", -1) : -1;
}

}  // namespace

bool has_quantization_record(const fs::path& folder) { return fs::is_regular_file(folder / kFile); }

QuantizationRecord read_quantization_record(const fs::path& folder) {
  const std::string where = (folder / kFile).string();
  const Json json = parse_json(read_small_file(where), where);
  const JsonReader reader(json, where);
  QuantizationRecord record;
  record.bits = reader.integer("bits");
  record.group_size = reader.integer("group_size", -1);
  record.sym = reader.boolean("sym", true);
  record.desc_act = reader.boolean("desc_act", false);
  record.damp = reader.number("damp_percent", 0);
  record.format = reader.string("checkpoint_format", "");
  if (const Json* rules = reader.find("dynamic")) record.rules = static_cast<int64_t>(rules->size());
  const JsonReader meta = below(reader, "meta");
  record.quantizer = quantizer_of(meta);
  record.clip = meta.string("clip", "");
  record.gptaq = gptaq_of(meta);
  const JsonReader calibration = below(meta, "calibration");
  record.calibration = {calibration.string("name", ""), calibration.string("sha256", ""),
                        calibration.integer("samples", 0), calibration.integer("seqlen", 0),
                        calibration.integer("seed", 0)};
  const JsonReader errors = below(meta, "errors");
  record.errors = {errors.number("mean", 0), errors.number("largest", 0), errors.string("module", ""),
                   errors.integer("modules", 0)};
  const JsonReader origin = below(meta, "base_model");
  record.origin = origin_from_json(origin.json(), origin.what());
  return record;
}

}  // namespace gptq::hub
