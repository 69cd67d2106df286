// gptq inspect: shows the contents of a model folder.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <memory>

#include <gptq/gptq.h>

#include "commands.h"
#include "model.h"
#include "numbers.h"
#include "output.h"
#include "table.h"

namespace gptq::cli {

namespace {

constexpr const char* kInspectFooter = R"(Examples:
  gptq inspect models/demo
  gptq inspect demo-4bit --tensors
  gptq inspect demo-4bit --json
)";

struct InspectArguments {
  std::string model;
  bool tensors = false;
};

double bits_per_weight(const ModelInfo& info) {
  return info.parameters > 0 ? 8.0 * static_cast<double>(info.tensor_bytes) / static_cast<double>(info.parameters) : 0;
}

std::string shape_text(const std::vector<int64_t>& shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

Json to_json(const ModelInfo& info, bool with_tensors) {
  Json json = {{"folder", info.folder},
               {"architecture", info.architecture},
               {"model_type", info.model_type},
               {"supported", info.supported},
               {"obstacle", info.obstacle},
               {"parameters", info.parameters},
               {"tensor_bytes", info.tensor_bytes},
               {"bits_per_weight", bits_per_weight(info)},
               {"layers", info.layers},
               {"hidden_size", info.hidden_size},
               {"vocab_size", info.vocab_size},
               {"context_length", info.context_length},
               {"quantized", info.quantized}};
  if (info.quantized) json["quant_method"] = info.method;
  if (info.quantized && info.bits > 0) json["bits"] = info.bits;
  if (info.method == "gptq") {
    json["group_size"] = info.group_size;
    json["sym"] = info.sym;
    json["desc_act"] = info.desc_act;
    json["checkpoint_format"] = info.checkpoint_format;
    json["quantizer"] = info.quantizer;
  }
  json["files"] = info.files;
  if (with_tensors) {
    Json tensors = Json::array();
    for (const TensorInfo& t : info.tensors) {
      tensors.push_back(
          {{"name", t.name}, {"dtype", t.dtype}, {"shape", t.shape}, {"bytes", t.bytes}, {"file", t.file}});
    }
    json["tensors"] = std::move(tensors);
  }
  json["notes"] = info.notes;
  return json;
}

std::string quantization_text(const ModelInfo& info) {
  if (!info.quantized) return "no";
  if (info.method != "gptq") return info.method + (info.bits > 0 ? fmt::format(", {} bits", info.bits) : "");
  std::string text =
      fmt::format("{} bits, {}, {}, format {}", info.bits,
                  info.group_size < 0 ? "one scale per row" : fmt::format("groups of {}", info.group_size),
                  info.sym ? "symmetric" : "asymmetric", info.checkpoint_format);
  if (info.desc_act) text += ", activation order";
  if (!info.quantizer.empty()) text += ", by " + info.quantizer;
  return text;
}

std::string to_text(const ModelInfo& info, bool with_tensors) {
  Table table({{""}, {""}});
  table.add({"folder", info.folder});
  if (!info.model_type.empty() || !info.architecture.empty())
    table.add({"architecture", fmt::format("{} ({})", info.architecture, info.model_type)});
  table.add({"runs here", info.supported ? "yes" : "no: " + info.obstacle});
  if (info.tensors.empty() && !info.supported) {  // not a model whose tensors can be counted
    table.add({"files", fmt::format("{}", fmt::join(info.files, ", "))});
    return table.str();
  }
  table.add({"parameters", human_count(info.parameters)});
  table.add({"layers", std::to_string(info.layers)});
  table.add({"hidden size", std::to_string(info.hidden_size)});
  table.add({"vocabulary", std::to_string(info.vocab_size)});
  table.add({"context", human_tokens(info.context_length)});
  table.add({"quantized", quantization_text(info)});
  table.add({"tensors", fmt::format("{} in {}, {:.2f} bits per weight", info.tensors.size(),
                                    human_bytes(info.tensor_bytes), bits_per_weight(info))});
  table.add({"files", fmt::format("{}", fmt::join(info.files, ", "))});
  std::string text = table.str();
  for (const std::string& note : info.notes) text += "note: " + note + "\n";
  if (!with_tensors) return text;
  Table tensors({{"tensor"}, {"dtype"}, {"shape"}, {"bytes", Table::Align::kRight}, {"file"}});
  for (const TensorInfo& t : info.tensors) {
    tensors.add({t.name, t.dtype, shape_text(t.shape), std::to_string(t.bytes), t.file});
  }
  return text + "\n" + tensors.str();
}

int run_inspect_command(const InspectArguments& a, const CommonOptions& common) {
  const ModelInfo info = inspect(model_folder(a.model, common));
  if (common.json) {
    put_json(to_json(info, a.tensors));
  } else {
    put(to_text(info, a.tensors));
  }
  return 0;
}

}  // namespace

Action add_inspect(CLI::App& app, const CommonOptions& common) {
  const auto arguments = std::make_shared<InspectArguments>();
  add_model_argument(app, arguments->model);
  app.add_flag("--tensors", arguments->tensors, "List every tensor with type, shape, size and file (default: off)");
  app.footer(kInspectFooter);
  return [arguments, &common] { return run_inspect_command(*arguments, common); };
}

}  // namespace gptq::cli
