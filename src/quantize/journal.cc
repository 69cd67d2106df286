// The journal as a small JSON file.
#include "quantize/journal.h"

#include <cmath>
#include <limits>

#include <gptq/error.h>

#include "core/hash.h"
#include "core/json.h"

namespace gptq::quantization {

namespace {

constexpr char kKind[] = "unfinished output of gptq quantize";

std::string hash_of(const Json& json) {
  const std::string text = json.dump(-1, ' ', true, Json::error_handler_t::replace);
  return sha256_hex(std::as_bytes(std::span(text)));
}

// JSON has no NaN; an error that could not be measured is null.
Json number_or_null(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

double read_number(const JsonReader& reader, const char* key) {
  return reader.has(key) ? reader.number(key) : std::numeric_limits<double>::quiet_NaN();
}

std::map<std::string, std::string> read_map(const JsonReader& reader, const char* key) {
  std::map<std::string, std::string> map;
  if (!reader.at(key).is_object()) reader.fail(key, "an object of names and hashes");
  for (const auto& [name, value] : reader.at(key).items()) {
    if (!value.is_string()) reader.fail(key, "an object of names and hashes");
    map.emplace(name, value.get<std::string>());
  }
  return map;
}

}  // namespace

std::optional<JournalState> Journal::read() const {
  std::error_code ignored;
  if (!fs::exists(fs::symlink_status(path_, ignored))) return std::nullopt;
  Json json = parse_json(read_small_file(path_), path_.string());
  const JsonReader reader(json, path_.string());
  const std::string checksum = reader.string("checksum", "");
  if (reader.string("kind", "") != kKind) reader.fail("kind", std::string("\"") + kKind + "\"");
  Json content = json;
  content.erase("checksum");
  if (checksum != hash_of(content)) {
    throw Error(ErrorKind::kVerification, "reading " + path_.string() +
                                              ": wrong checksum: it was damaged or edited; start over with "
                                              "--force");
  }
  JournalState state;
  state.model = reader.string("model");
  state.inputs = read_map(reader, "inputs");
  state.layers_done = static_cast<int>(reader.integer("layers_done"));
  state.complete = reader.boolean("complete", false);
  state.sources = read_map(reader, "sources");
  state.tensors = read_map(reader, "tensors");
  state.files = read_map(reader, "files");
  if (!reader.at("modules").is_array()) reader.fail("modules", "a list");
  for (const Json& entry : reader.at("modules")) {
    const JsonReader module(entry, path_.string() + ": modules");
    ModuleReport report;
    report.name = module.string("name");
    report.bits = static_cast<int>(module.integer("bits"));
    report.group_size = static_cast<int>(module.integer("group_size"));
    report.error = read_number(module, "error");
    report.damp = read_number(module, "damp");
    report.method = module.string("method");
    report.seconds = read_number(module, "seconds");
    report.bytes_in = module.integer("bytes_in");
    report.bytes_out = module.integer("bytes_out");
    state.modules.push_back(report);
  }
  return state;
}

void Journal::write(const JournalState& state) const {
  Json modules = Json::array();
  for (const ModuleReport& m : state.modules) {
    modules.push_back({{"name", m.name},
                       {"bits", m.bits},
                       {"group_size", m.group_size},
                       {"error", number_or_null(m.error)},
                       {"damp", number_or_null(m.damp)},
                       {"method", m.method},
                       {"seconds", number_or_null(m.seconds)},
                       {"bytes_in", m.bytes_in},
                       {"bytes_out", m.bytes_out}});
  }
  const auto object = [](const std::map<std::string, std::string>& map) {
    Json json = Json::object();
    for (const auto& [name, value] : map) json[name] = value;
    return json;
  };
  Json json = {{"kind", kKind},
               {"model", state.model},
               {"inputs", object(state.inputs)},
               {"layers_done", state.layers_done},
               {"modules", modules},
               {"sources", object(state.sources)},
               {"tensors", object(state.tensors)},
               {"files", object(state.files)},
               {"complete", state.complete}};
  json["checksum"] = hash_of(json);
  write_file_atomic(path_, json.dump(1, ' ', true, Json::error_handler_t::replace) + "\n");
}

}  // namespace gptq::quantization
