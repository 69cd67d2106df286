// The journal as a small JSON file.
#include "quantize/journal.h"

#include "core/json.h"

namespace gptq {

std::optional<JournalState> Journal::read() const {
  if (!fs::exists(path_)) return std::nullopt;
  const Json json = parse_json(read_small_file(path_), path_.string());
  const JsonReader reader(json, path_.string());
  JournalState state;
  state.fingerprint = reader.string("fingerprint");
  state.layers_done = static_cast<int>(reader.integer("layers_done"));
  if (!reader.at("modules").is_array()) reader.fail("modules", "a list");
  for (const Json& entry : reader.at("modules")) {
    const JsonReader module(entry, path_.string() + ": modules");
    ModuleReport report;
    report.name = module.string("name");
    report.bits = static_cast<int>(module.integer("bits"));
    report.group_size = static_cast<int>(module.integer("group_size"));
    report.error = module.number("error");
    report.damp = module.number("damp");
    report.method = module.string("method");
    report.seconds = module.number("seconds");
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
                       {"error", m.error},
                       {"damp", m.damp},
                       {"method", m.method},
                       {"seconds", m.seconds},
                       {"bytes_in", m.bytes_in},
                       {"bytes_out", m.bytes_out}});
  }
  const Json json = {{"fingerprint", state.fingerprint}, {"layers_done", state.layers_done}, {"modules", modules}};
  write_file_atomic(path_, json.dump(1) + "\n");
}

void Journal::remove() const { fs::remove(path_); }

}  // namespace gptq
