// The text of the model card; nothing is claimed that was not measured.
#include "hub/upload/model_card.h"

#include <charconv>

#include <gptq/error.h>

#include "core/check.h"
#include "core/json.h"
#include "hub/http/errors.h"
#include "hub/repository/front_matter.h"
#include "hub/repository/names.h"

namespace gptq::hub {

namespace {

std::string number(double value, int digits) {
  char text[64];
  const auto [end, error] = std::to_chars(text, text + sizeof(text), value, std::chars_format::general, digits);
  CHECK(error == std::errc(), "a number of few digits is short");
  return {text, end};
}

std::string decimals(double value, int digits) {
  char text[64];
  const auto [end, error] = std::to_chars(text, text + sizeof(text), value, std::chars_format::fixed, digits);
  return error == std::errc() ? std::string(text, end) : number(value, 6);  // 1e300 in digits would overflow the buffer
}

std::string size_text(int64_t bytes) {
  return bytes >= 1'000'000'000 ? decimals(static_cast<double>(bytes) / 1e9, 2) + " GB"
                                : decimals(static_cast<double>(bytes) / 1e6, 1) + " MB";
}

std::string yes(bool value) { return value ? "yes" : "no"; }

// Untrusted text in Markdown: one line, without table cells or HTML.
std::string cell(const std::string& text) {
  std::string out;
  for (const char c : printable(text)) {
    if (c == '|') out += '\\';
    out += c == '<' ? "&lt;" : std::string(1, c);
  }
  return out;
}

std::string list(const std::string& key, const std::vector<std::string>& values) {
  std::string text = key + ":\n";
  for (const std::string& value : values) text += "- " + yaml_text(value) + "\n";
  return text;
}

std::string metadata(const CardFacts& facts) {
  const QuantizationRecord& record = facts.record;
  const Origin& origin = record.origin;
  std::string text = "---\n";
  const auto add = [&](const std::string& key, const std::string& value) {
    if (!value.empty()) text += key + ": " + yaml_text(value) + "\n";
  };
  add("base_model", origin.id);
  if (!origin.id.empty()) add("base_model_relation", "quantized");
  add("library_name", "transformers");
  add("pipeline_tag", "text-generation");
  add("license", origin.license);
  add("license_name", origin.license_name);
  add("license_link", origin.license_link);
  if (!origin.languages.empty()) text += list("language", origin.languages);
  text += "tags:\n- gptq\n- " + yaml_text(std::to_string(record.bits) + "-bit") + "\n";
  return text + "---\n\n";
}

// The options that differ from the defaults.
std::string command(const CardFacts& facts) {
  const QuantizationRecord& record = facts.record;
  std::string text = "gptq quantize " + (is_repo_id(record.origin.id) ? record.origin.id : "MODEL");
  if (is_repo_id(record.origin.id) && is_commit(record.origin.commit)) text += "@" + record.origin.commit;
  text += " -o DIR --bits " + std::to_string(record.bits) + " --group-size " + std::to_string(record.group_size);
  if (!record.sym) text += " --asym";
  if (record.desc_act) text += " --desc-act";
  if (!record.format.empty()) text += " --format " + printable(record.format);
  if (record.damp > 0) text += " --damp " + number(record.damp, 6);
  if (!record.clip.empty()) text += " --clip " + printable(record.clip);
  if (record.gptaq >= 0) text += " --gptaq " + number(record.gptaq, 6);
  const auto& calibration = record.calibration;
  if (!calibration.name.empty() && calibration.name != "built-in") text += " --calibration FILE";
  if (calibration.samples > 0) {
    text += " --samples " + std::to_string(calibration.samples) + " --seqlen " + std::to_string(calibration.seqlen) +
            " --seed " + std::to_string(calibration.seed);
  }
  if (record.rules > 0) text += " --rule ...";
  return text;
}

std::string table(const CardFacts& facts) {
  const QuantizationRecord& record = facts.record;
  std::string text = "| | |\n|---|---|\n";
  const auto add = [&](const std::string& name, const std::string& value) {
    if (!value.empty()) text += "| " + name + " | " + cell(value) + " |\n";
  };
  add("bits", std::to_string(record.bits) +
                  (record.rules > 0 ? ", with " + std::to_string(record.rules) + " rules for single modules" : ""));
  add("group size", record.group_size < 0 ? "one group for a row" : std::to_string(record.group_size));
  add("symmetric", yes(record.sym));
  add("activation order (desc_act)", yes(record.desc_act));
  if (record.damp > 0) add("damping", number(record.damp, 6));
  add("format", record.format);
  const auto& calibration = record.calibration;
  if (calibration.samples > 0) {
    add("calibration", calibration.name + ", " + std::to_string(calibration.samples) + " windows of " +
                           std::to_string(calibration.seqlen) + " tokens, seed " + std::to_string(calibration.seed) +
                           ", sha256 " + calibration.sha256);
  }
  if (record.errors.modules > 0) {
    add("relative squared output error", number(record.errors.mean, 3) + " on average over " +
                                             std::to_string(record.errors.modules) + " modules, at most " +
                                             number(record.errors.max, 3) + " (" + record.errors.module + ")");
  }
  if (const auto& p = facts.perplexities) {
    add("perplexity", decimals(p->before, 4) + " before, " + decimals(p->after, 4) + " after (" + p->text +
                          ", windows of " + std::to_string(p->window) + " tokens)");
  }
  add("weight files", size_text(facts.weight_bytes));
  add("base commit", record.origin.commit);
  add("made with", record.quantizer);
  return text;
}

}  // namespace

Perplexities read_perplexities(const fs::path& before, const fs::path& after) {
  struct Measured {
    std::string text;
    int64_t window, tokens;
    double value;
  };
  const auto read = [](const fs::path& path) {
    const Json json = parse_json(read_small_file(path), path.string());
    const JsonReader reader(json, path.string());
    return Measured{fs::path(reader.string("text")).filename().string(), reader.integer("window"),
                    reader.integer("tokens"), reader.number("perplexity")};
  };
  const Measured first = read(before), second = read(after);
  if (first.text != second.text || first.window != second.window || first.tokens != second.tokens) {
    throw Error(ErrorKind::kUsage, "reading " + before.string() + " and " + after.string() +
                                       ": they measured different texts or windows; run `gptq perplexity --json` "
                                       "twice with the same --text and --window");
  }
  return {first.text, first.window, first.value, second.value};
}

std::string model_card(const CardFacts& facts) {
  const QuantizationRecord& record = facts.record;
  const std::string name = facts.id.substr(facts.id.find('/') + 1);
  const std::string base = record.origin.id.empty() ? "A language model"
                           : !is_repo_id(record.origin.id)
                               ? cell(record.origin.id)
                               : "[" + record.origin.id + "](" + facts.endpoint + "/" + record.origin.id + ")";
  return metadata(facts) + "# " + name + "\n\n" + base + ", quantized to " + std::to_string(record.bits) +
         " bits with GPTQ.\n\n" + table(facts) + "\nMade with\n\n    " + command(facts) +
         "\n\n## Run it\n\nWith gptq:\n\n    gptq chat " + facts.id + "\n\nWith vLLM:\n\n    vllm serve " + facts.id +
         "\n\nWith transformers (and the gptqmodel package):\n\n```python\n"
         "from transformers import AutoModelForCausalLM, AutoTokenizer\n\n"
         "tokenizer = AutoTokenizer.from_pretrained(\"" +
         facts.id + "\")\nmodel = AutoModelForCausalLM.from_pretrained(\"" + facts.id +
         "\", device_map=\"auto\")\n"
         "inputs = tokenizer(\"Once upon a time\", return_tensors=\"pt\").to(model.device)\n"
         "print(tokenizer.decode(model.generate(**inputs, max_new_tokens=64)[0]))\n```\n";
}

}  // namespace gptq::hub
