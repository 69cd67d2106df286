// Options that several subcommands share.
#include "options.h"

#include "numbers.h"
#include "option_tree.h"

namespace gptq::cli {

void add_common_options(CLI::App& app, CommonOptions& options) {
  app.add_flag("--json", options.json, "Print one JSON object on standard output instead of text");
  app.add_flag("-q,--quiet", options.quiet, "Hide progress and notes; warnings and errors remain");
  app.add_flag("-v,--verbose", options.verbose, "Show more: every module, rates, times");
}

void add_model_argument(CLI::App& app, std::string& model) {
  app.add_option(
         "MODEL", model,
         "Model folder in Hugging Face layout (config.json, *.safetensors, a tokenizer), or a model on the Hub: "
         "org/name, org/name@revision")
      ->required()
      ->type_name("DIR");
}

void add_compute_options(CLI::App& app, ComputeOptions& options) {
  app.add_option("--device", options.device, "auto (the first usable GPU, else the CPU), cpu, cuda or cuda:N")
      ->type_name("NAME")
      ->check(suggestion({"auto", "cpu", "cuda"}));
  app.add_option("--threads", options.threads, "CPU threads; 0 uses one per hardware thread")
      ->type_name("N")
      ->check(CLI::Range(0, 4096));
  const auto set_memory = [&options](const std::string& text) { options.max_gpu_memory = parse_bytes(text); };
  app.add_option_function<std::string>(
         "--max-gpu-memory", set_memory,
         "Maximum GPU memory, for example 8GiB; quantizing adapts to it, running a model that needs "
         "more is an error")
      ->type_name("SIZE");
  app.add_option(
         "--head-dtype", options.head_dtype,
         "On a CPU, the output head of a quantized model: int8, stored (as in the files) or auto, which is int8")
      ->type_name("TYPE")
      ->check(CLI::IsMember({"auto", "int8", "stored"}));
  app.add_option(
         "--activations", options.activations,
         "On a CPU, activations of quantized linears: int16, or int8 for prompts, which is faster and less exact")
      ->type_name("TYPE")
      ->check(CLI::IsMember({"int16", "int8"}));
  put_into_group(app, kExpertOptions, {"threads", "max-gpu-memory", "head-dtype", "activations"});
}

void put_into_group(CLI::App& app, const char* group, const std::vector<std::string>& names) {
  for (const std::string& name : names) app.get_option("--" + name)->group(group);
}

CLI::Validator whole_number() {
  return CLI::Validator(
      [](std::string& text) {
        const bool digits = !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
        return digits ? std::string() : "'" + text + "' is not a whole number of at least 0";
      },
      "");
}

CLI::Option* add_repeatable(CLI::App& app, const std::string& name, std::vector<std::string>& values,
                            const std::string& help) {
  return app.add_option(name, values, help + " (may be repeated)")->allow_extra_args(false);
}

}  // namespace gptq::cli
